"""RepurposeGAN on coffee leaves: shots, segmenters, auto-shot."""

from configs.tables import base

_CUT = dict(
    updates=300, trials=3,
    scoring={"evaluation.limit": 48, "data.num_validation_images": 16,
             "inversion.batch_size": 16, "autoshot.steps": 600,
             "supervised.steps": 400})


def get_table():
  """See tables/definition.py."""
  return dict(
      title="Few shots: coffee leaves, 64 px",
      paper="RepurposeGAN (arXiv 2103.04379, CVPR 2021)",
      seeds=(0,),
      spread_over="trials",
      columns=base.few_shot_columns("coffee_leaf"),
      rows=base.few_shot_rows(
          "configs/repurpose_gan/coffee_leaf.py", **_CUT,
          generator="configs/semantic_gan/coffee_leaf.py", cpu=True),
      notes=("mIoU over 3 classes.", *base.few_shot_notes(**_CUT)))
