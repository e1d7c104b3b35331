"""SemanticGAN, ablation: numbers of labeled and of unlabeled faces."""

from configs.tables import base

_NUMBERS = {
    "3K": (0.6786, 0.5410, 0.7046, 0.5871, 0.7566, 0.6011),
    "10K": (0.6845, 0.5799, 0.7438, 0.6152, 0.7710, 0.6204),
    "28K": (0.6902, 0.5883, 0.7600, 0.6336, 0.7810, 0.6633),
}
# -1, all there are: the same runs as those of semantic_gan_faces.
_UNLABELED = {"3K": 3000, "10K": 10_000, "28K": -1}


def get_table():
  """See tables/definition.py."""
  rows = []
  for amount, values in _NUMBERS.items():
    count = _UNLABELED[amount]
    rows.append(dict(
        name="Ours", setting=f"{amount} unlabeled", published=values,
        source="SG-poster", confidence="high",
        config="configs/semantic_gan/faces.py", files=base.LPIPS,
        arguments={} if count < 0 else {"unlabeled": count},
        method="inversion"))
  return dict(
      title="Ablation: labeled vs unlabeled amount",
      paper="SemanticGAN (arXiv 2104.05833, CVPR 2021)",
      columns=base.label_columns(
          (30, 150, 1500),
          (("CelebA-Mask", "test"), ("MetFaces-40", "ood_metfaces"))),
      rows=rows,
      sources=base.sources("SG-poster"),
      notes=("mIoU over 8 classes, background included.",))
