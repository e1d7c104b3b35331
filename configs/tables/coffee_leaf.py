"""Ours: coffee leaves, 64 px, in and out of domain."""

from configs.tables import base


def get_table():
  """See tables/definition.py."""
  return dict(
      title="Coffee leaves, 64 px",
      columns=base.domain_columns((1, 5, 10), "coffee_leaf"),
      rows=base.fitted_head_rows(
          "configs/semantic_gan/coffee_leaf.py", "+ 1,245 unlabeled",
          cpu=True) + base.small_baseline_rows(
              "coffee_leaf", "+ 1,245 unlabeled"),
      notes=("mIoU over 3 classes. Out of domain: the test leaves un-cropped.",
             "The generator is trained on images alone."))
