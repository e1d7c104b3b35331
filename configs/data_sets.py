"""Each data set once: what it holds, whatever is trained on it.

Fields of the block `data`; `name` is that of the reader where it differs from
the key. `size` is that of the published experiment, or of the preset for one
GPU; presets for less change it.
"""

DATA_SETS = {
    # Rendered.
    "toy_faces": dict(size=32, num_classes=7, out_of_domain=("ood_test",),
                      num_validation_images=100),
    "scenes": dict(size=64, num_classes=10, num_validation_images=100),
    # The packs; see docs/data.md.
    "camvid": dict(size=192, num_classes=11, in_domain="val"),
    "ccp_person": dict(size=128, num_classes=8),
    # Left and right lung are classes: nothing is mirrored.
    "chest_xray": dict(name="wingspan", size=128, channels=1, num_classes=4,
                       out_of_domain=("ood_window",),
                       augment=dict(flip_unlabeled=0.0, flip_labeled=0.0)),
    "coffee_leaf": dict(size=128, num_classes=3, out_of_domain=("ood_test",)),
    # A lesion has no upright side.
    "skin_lesion": dict(name="folder", size=128, num_classes=2,
                        out_of_domain=("ood_dermis", "ood_dermquest"),
                        augment=dict(rotate=45.0)),
    "wbc": dict(size=128, num_classes=3, out_of_domain=("ood_val",)),
    # Of SemanticGAN's tables.
    "celebamask_hq": dict(size=256, num_classes=8),
    "faces": dict(size=256, num_classes=8, out_of_domain=("ood_metfaces",)),
    "cxr": dict(name="chest_xray", size=256, channels=1, num_classes=2,
                out_of_domain=("ood_nlm", "ood_nih", "ood_sz")),
    "liver": dict(size=256, channels=1, num_classes=2,
                  out_of_domain=("ood_t1_in", "ood_t1_out")),
    "skin": dict(name="skin_lesions", size=256, num_classes=2,
                 out_of_domain=("ood_ph2", "ood_dermis", "ood_dermquest")),
    # Of s4GAN's.
    "cityscapes": dict(size=256, num_classes=19, in_domain="val",
                       augment=dict(flip_unlabeled=0.5, flip_labeled=0.5)),
    "pascal_context": dict(
        size=321, num_classes=60, in_domain="val",
        augment=dict(flip_unlabeled=0.5, flip_labeled=0.5)),
    "pascal_voc": dict(name="pascal_voc/aug", size=321, num_classes=21,
                       in_domain="val"),
    # Of RepurposeGAN's; cars and horses are folders of one's own.
    "car": dict(name="folder", size=512, num_classes=6),
    "celeba_parts4": dict(size=1024, num_classes=4),
    "celeba_parts10": dict(size=1024, num_classes=10),
    "horse": dict(name="folder", size=256, num_classes=5),
    # Of Fewshot-SMIS's, folders of shots; sparse labels have a class "unknown".
    "anime": dict(name="folder", size=512, num_classes=2),
    "celeba_landmarks": dict(name="folder", size=1024, num_classes=71),
    "celebamask": dict(name="folder", size=1024, num_classes=19),
    "lsun_car": dict(name="folder", size=512, num_classes=5),
    "lsun_cat": dict(name="folder", size=256, num_classes=9),
    "lsun_church": dict(name="folder", size=256, num_classes=151),
    "ukiyoe": dict(name="folder", size=256, num_classes=8),
}


def use(c, name: str, **changes):
  """Sets what is known of the data set `name`, then `changes`, in `c.data`."""
  c.data.update({"name": name, **DATA_SETS[name], **changes})
  return c


def splits(name: str) -> tuple[str, ...]:
  """The scored splits of a data set, in domain first."""
  known = DATA_SETS[name]
  return (known.get("in_domain", "test"), *known.get("out_of_domain", ()))
