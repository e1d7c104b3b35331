"""Ours: procedural scenes, semi-supervised."""

from configs.tables import base


def get_table():
  """See tables/definition.py."""
  return dict(
      title="Procedural scenes, 10 classes",
      unit="percent",
      data=False,
      columns=[
          dict(name=name, arguments={"ratio": ratio}, labels=labels,
               group="test")
          for name, ratio, labels in (
              ("1/50", 0.02, 80), ("1/20", 0.05, 200), ("1/8", 0.125, 500))],
      rows=base.semisup_methods("scenes"),
      notes=("mIoU on test; ratios of 4,000 images.",))
