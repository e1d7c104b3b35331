"""RepurposeGAN, faces, one labeled sample: eye, mouth and nose."""

from configs.tables import base

_PARTS = (("Eye", "eye"), ("Mouth", "mouth"), ("Nose", "nose"))


def get_table():
  """See tables/definition.py."""
  run = dict(config="configs/repurpose_gan/celeba_faces.py",
             arguments={"classes": 4, "shots": 1},
             files=base.generator("faces"))
  return dict(
      title="Face, 1-shot (as quoted by SLiMe Table 4)",
      paper="RepurposeGAN (arXiv 2103.04379, CVPR 2021)",
      unit="percent",
      columns=base.part_columns(_PARTS, average=False),
      rows=[
          dict(name="RepurposeGAN (ReGAN)", setting="1-shot", source="SLiMe",
               confidence="medium", published=(57.8, 71.1, 76.0),
               method="auto_shot", **run),
          dict(name="few-shot CNN (ours only)", setting="1-shot",
               method="inversion", **run)],
      sources=base.sources("SLiMe"),
      notes=("IoU of each part on CelebAMask-HQ at 512 px, second-hand; only "
             "these parts are reported for one shot.",))
