"""RepurposeGAN on procedural faces: shots, segmenters, auto-shot."""

from configs.tables import base


def get_table():
  """See evaluation/paper_table.py."""
  return dict(
      title="Few shots: procedural faces, 32 px",
      paper="RepurposeGAN (arXiv 2103.04379, CVPR 2021)",
      data=False,
      columns=base.shot_columns(("test", "ood_test"), counts=(1, 5, 10)),
      rows=base.few_shot_rows(
          "configs/repurpose_gan/parts.py", "configs/semantic_gan/parts.py"),
      notes=(
          "mIoU over 7 classes on 96 test pictures of each domain. The paper "
          "has no such table.",
          "The annotator of the shots is a U-Net on all real labels; the "
          "U-Net row has as many real labels."))
