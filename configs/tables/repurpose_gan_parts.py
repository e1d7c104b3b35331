"""RepurposeGAN on procedural faces: shots, segmenters, auto-shot."""

from configs.tables import base


def get_table():
  """See evaluation/paper_table.py."""
  return dict(
      title="Few shots: procedural faces, 32 px",
      paper="RepurposeGAN (arXiv 2103.04379, CVPR 2021)",
      data=False,
      seeds=(0,),
      spread_over="draws",
      columns=base.few_shot_columns(("test", "ood_test")),
      rows=base.few_shot_rows("configs/repurpose_gan/parts.py"),
      notes=("mIoU over 7 classes.", *base.FEW_SHOT_NOTES))
