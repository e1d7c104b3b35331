"""RepurposeGAN, car parts, 10 labeled samples."""

from configs.tables import base

_PARTS = (("Body", "body"), ("Light", "light"), ("Plate", "plate"),
          ("Wheel", "wheel"), ("Window", "window"),
          ("Background", "background"))


def get_table():
  """See tables/definition.py."""
  run = dict(config="configs/repurpose_gan/car.py", arguments={"shots": 10},
             files=base.generator("cars"),
             overrides={"data.name": "pascal_part/car"})
  seen = dict(source="SLiMe", confidence="medium", note="same row in SMITE")
  return dict(
      title="Car parts (as quoted by SLiMe Table 2 and SMITE)",
      paper="RepurposeGAN (arXiv 2103.04379, CVPR 2021)",
      unit="percent",
      columns=base.part_columns(_PARTS),
      rows=[
          dict(name="CNN (fully supervised)", setting="full", **seen,
               published=(73.4, 42.2, 41.7, 66.3, 61.0, 67.4, 58.7)),
          dict(name="CNN+CRF (fully supervised)", setting="full", **seen,
               published=(75.4, 36.1, 35.8, 64.3, 61.8, 68.7, 57.0)),
          dict(name="RepurposeGAN (ReGAN)", setting="10-shot", **seen,
               published=(75.5, 29.3, 17.8, 57.2, 62.4, 70.7, 52.15),
               method="auto_shot", **run),
          dict(name="few-shot CNN (ours only)", setting="10-shot",
               method="inversion", **run)],
      sources=base.sources("SLiMe"),
      notes=("IoU of each part on PASCAL-Part, second-hand; the source does "
             "not say whether the 10-shot row is the few-shot CNN or "
             "auto-shot.",))
