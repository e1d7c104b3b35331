"""Ours: road scenes, semi-supervised."""

from configs.tables import base


def get_table():
  """See tables/definition.py."""
  return dict(
      title="CamVid, 11 classes",
      unit="percent",
      columns=[
          dict(name=name, split="val", arguments={"labels": labels},
               labels=labels, group="CamVid val")
          for name, labels in (("1/16", 23), ("1/8", 46), ("1/4", 92))],
      rows=base.semisup_methods("camvid", cpu=True) + base.semisup_methods(
          "camvid", network="Semantic FPN", cpu=True,
          backbone="efficientnet_lite0"),
      notes=("mIoU on the 101 images of val, on which checkpoints are chosen "
             "too, for every row alike; ratios of 367 images.",
             "No ImageNet weights where the row does not state them."))
