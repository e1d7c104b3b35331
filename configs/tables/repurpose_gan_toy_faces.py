"""RepurposeGAN on procedural faces: shots, segmenters, auto-shot."""

from configs.tables import base

_CUT = dict(
    updates=300, trials=3,
    scoring={"evaluation.limit": 48, "data.num_validation_images": 16,
             "autoshot.steps": 3000, "autoshot.num_samples": 5000,
             "autoshot.styles": 12.0,
             "supervised.steps": 400})


def get_table():
  """See tables/definition.py."""
  return dict(
      title="Few shots: procedural faces, 64 px",
      paper="RepurposeGAN (arXiv 2103.04379, CVPR 2021)",
      data=False,
      seeds=(0,),
      spread_over="trials",
      columns=base.few_shot_columns("toy_faces"),
      rows=base.few_shot_rows("configs/repurpose_gan/toy_faces.py", **_CUT,
                              shipped=True),
      notes=("mIoU over 7 classes. The generator is the shipped one.",
             *base.few_shot_notes(**_CUT)))
