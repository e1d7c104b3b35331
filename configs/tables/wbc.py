"""Ours: white blood cells, 64 px, in and out of domain."""

from configs.tables import base


def get_table():
  """See tables/definition.py."""
  return dict(
      title="White blood cells, 64 px",
      columns=base.domain_columns((1, 5, 10, 20, 50), "wbc"),
      rows=base.joint_model_rows(
          "configs/semantic_gan/wbc.py", "pool of 200, unlabeled",
          cpu=True) + base.small_baseline_rows(
              "wbc", "pool of 200, unlabeled"),
      notes=("mIoU over 3 classes. Out of domain: another stain.",
             "Discriminator, perceptual distance and rows that state it use "
             "ImageNet features."))
