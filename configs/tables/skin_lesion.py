"""Ours: skin lesions, 64 px, in and out of domain."""

from configs.tables import base


def get_table():
  """See tables/definition.py."""
  return dict(
      title="Skin lesions, 64 px",
      metric="jaccard",
      columns=base.domain_columns((10, 40, 200), "skin_lesion"),
      rows=base.small_baseline_rows(
          "skin_lesion", "+ 1,563 unlabeled",
          ("U-Net", "Mean Teacher, U-Net")) + base.fitted_head_rows(
              "configs/semantic_gan/skin_lesion.py", "+ 1,563 unlabeled",
              "efficientnet_lite0", cpu=True),
      notes=("Jaccard index of the lesion, as in the paper. Out of domain: "
             "clinical photographs.",
             "The generator is trained on images alone."))
