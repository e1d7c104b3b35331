"""RepurposeGAN on coffee leaves: shots, segmenters, auto-shot."""

from configs.tables import base


def get_table():
  """See evaluation/paper_table.py."""
  return dict(
      title="Few shots: coffee leaves, 64 px",
      paper="RepurposeGAN (arXiv 2103.04379, CVPR 2021)",
      columns=base.shot_columns(("test", "ood_test"), counts=(1, 5, 10)),
      rows=base.few_shot_rows(
          "configs/repurpose_gan/coffee_leaf.py",
          "configs/semantic_gan/coffee_leaf.py", cpu=True),
      notes=(
          "mIoU over 3 classes. The paper has no such table.",
          "The annotator of the shots is a U-Net on all real labels; the "
          "U-Net row has as many real labels."))
