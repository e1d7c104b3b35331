"""RepurposeGAN, horse parts, 10 labeled samples."""

from configs.tables import base

_PARTS = (("Head", "head"), ("Leg", "leg"), ("Neck+Torso", "neck+torso"),
          ("Tail", "tail"), ("Background", "background"))


def get_table():
  """See tables/definition.py."""
  run = dict(config="configs/repurpose_gan/horse.py", arguments={"shots": 10},
             files=base.generator("horses"),
             overrides={"data.name": "pascal_part/horse"})
  seen = dict(source="SLiMe", confidence="medium", note="same row in SMITE")
  return dict(
      title="Horse parts (as quoted by SLiMe Table 3 and SMITE)",
      paper="RepurposeGAN (arXiv 2103.04379, CVPR 2021)",
      unit="percent",
      columns=base.part_columns(_PARTS),
      rows=[
          dict(name="Shape+Appearance (fully supervised)", setting="full",
               published=(47.2, 38.2, 66.7, None, None, None), **seen),
          dict(name="CNN+CRF (fully supervised)", setting="full",
               published=(55.0, 46.8, None, 37.2, 76.0, None), **seen),
          dict(name="RepurposeGAN (ReGAN)", setting="10-shot", **seen,
               published=(50.1, 49.6, 70.5, 19.9, 81.6, 54.3),
               method="auto_shot", **run),
          dict(name="few-shot CNN (ours only)", setting="10-shot",
               method="inversion", **run)],
      sources=base.sources("SLiMe"),
      notes=("IoU of each part on PASCAL-Part, second-hand; the source does "
             "not say whether the 10-shot row is the few-shot CNN or "
             "auto-shot.",))
