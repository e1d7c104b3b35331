"""Ours: coffee leaves, 64 px, with and without ImageNet features."""

from configs.tables import base


def get_table():
  """See tables/definition.py."""
  return dict(
      title="Coffee leaves, 64 px, with and without ImageNet features",
      columns=base.domain_columns((1, 5, 10), "coffee_leaf"),
      rows=base.backbone_rows("coffee_leaf"),
      notes=("mIoU over 3 classes. Out of domain: the un-cropped photograph.",))
