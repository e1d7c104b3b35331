"""RepurposeGAN on procedural faces: shots, segmenters, auto-shot."""

from configs.tables import base

_CUT = dict(
    updates=300, baseline_trials=3,
    scoring={"evaluation.limit": 64, "data.num_validation_images": 32,
             "autoshot.steps": 500, "supervised.steps": 400})


def get_table():
  """See tables/definition.py."""
  return dict(
      title="Few shots: procedural faces, 32 px",
      paper="RepurposeGAN (arXiv 2103.04379, CVPR 2021)",
      data=False,
      seeds=(0,),
      spread_over="trials",
      columns=base.few_shot_columns("toy_faces"),
      rows=base.few_shot_rows("configs/repurpose_gan/toy_faces.py", **_CUT),
      notes=("mIoU over 7 classes.", *base.few_shot_notes(**_CUT)))
