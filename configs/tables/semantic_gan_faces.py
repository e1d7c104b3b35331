"""SemanticGAN, face parts: trained on CelebA-Mask, scored on paintings too."""

from configs.tables import base

_NUMBERS = {
    "U-Net": (0.5764, 0.2803, 0.6880, 0.2803, 0.7231, 0.4086),
    "DeepLab": (0.5554, 0.4262, 0.6591, 0.4988, 0.7444, 0.5661),
    "MT": (0.1082, 0.1415, 0.5857, 0.4305, 0.7094, 0.5132),
    "AdvSSL": (0.5142, 0.4026, 0.6846, 0.5029, 0.7787, 0.5995),
    "GCT": (0.3694, 0.3038, 0.6403, 0.4749, 0.7660, 0.5977),
    "Ours-NO": (0.6473, 0.5506, 0.7016, 0.5643, 0.7123, 0.5749),
    "Ours": (0.6902, 0.5883, 0.7600, 0.6336, 0.7810, 0.6633),
}


def get_table():
  """See tables/definition.py."""
  return dict(
      title="Face part segmentation",
      paper="SemanticGAN (arXiv 2104.05833, CVPR 2021)",
      columns=base.label_columns(
          (30, 150, 1500),
          (("CelebA-Mask", "test"), ("MetFaces-40", "ood_metfaces"))),
      rows=base.semantic_gan_rows(
          "faces", "+ 28k unlabeled", _NUMBERS),
      sources=base.sources("SG-page"),
      notes=(
          "mIoU over 8 classes, background included.",
          "U-Net prints 0.2803 on MetFaces-40 for 30 and for 150 labels: "
          "possibly a deviation of the paper's.",
          "Ours-NO is taken to be the encoder alone; the source does not "
          "define it."))
