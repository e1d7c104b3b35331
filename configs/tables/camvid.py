"""Ours: road scenes, semi-supervised."""

from configs.tables import base


def get_table():
  """See evaluation/paper_table.py."""
  return dict(
      title="CamVid, 11 classes",
      unit="percent",
      columns=[
          dict(name=name, split="val", arguments={"ratio": ratio},
               labels=labels, group="CamVid val")
          for name, ratio, labels in (
              ("1/16", 0.0625, 23), ("1/8", 0.125, 46), ("1/4", 0.25, 92))],
      rows=base.semisup_methods("camvid"),
      notes=("mIoU on the 101 pictures of val; ratios of 367 pictures.",
             "No ImageNet weights: all networks start from random ones."))
