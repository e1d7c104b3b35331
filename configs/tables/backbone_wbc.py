"""Ours: white blood cells, 64 px, with and without ImageNet features."""

from configs.tables import base


def get_table():
  """See tables/definition.py."""
  return dict(
      title="White blood cells, 64 px, with and without ImageNet features",
      columns=base.domain_columns((1, 5, 10), "wbc"),
      rows=base.backbone_rows("wbc"),
      notes=("mIoU over 3 classes. Out of domain: another stain.",))
