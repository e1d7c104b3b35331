"""SemanticGAN, chest X-rays: lungs, trained on JSRT, three other sets."""

from configs.tables import base

_NUMBERS = {
    "U-Net": (0.9318, 0.8605, 0.6801, 0.9051, 0.9308, 0.8591, 0.7363, 0.8486,
              0.9464, 0.9143, 0.7553, 0.9005),
    "DeepLab": (0.9006, 0.6324, 0.7361, 0.8124, 0.9556, 0.8323, 0.8099, 0.9138,
                0.9666, 0.8175, 0.8093, 0.9312),
    "MT": (0.9239, 0.8287, 0.7280, 0.8847, 0.9436, 0.8239, 0.7305, 0.8306,
           0.9604, 0.8626, 0.7893, 0.8846),
    "AdvSSL": (0.9328, 0.8500, 0.7720, 0.8901, 0.9552, 0.8191, 0.5298, 0.8968,
               0.9684, 0.8344, 0.7627, 0.8846),
    "GCT": (0.9235, 0.6804, 0.6731, 0.8665, 0.9502, 0.8327, 0.7527, 0.9184,
            0.9644, 0.8683, 0.7981, 0.9393),
    "Ours-NO": (0.9464, 0.9303, 0.9097, 0.9334, 0.9471, 0.9294, 0.9223, 0.9409,
                0.9465, 0.9232, 0.9204, 0.9403),
    "Ours": (0.9591, 0.9464, 0.9133, 0.9362, 0.9668, 0.9606, 0.9322, 0.9485,
             0.9669, 0.9509, 0.9294, 0.9469),
}


def get_table():
  """See tables/definition.py."""
  return dict(
      title="Chest X-ray lung segmentation",
      paper="SemanticGAN (arXiv 2104.05833, CVPR 2021)",
      metric="dice",
      columns=base.label_columns(
          (9, 35, 175), (("JSRT", "test"), ("NLM", "ood_nlm"),
                         ("NIH", "ood_nih"), ("SZ", "ood_sz"))),
      rows=base.semantic_gan_rows("cxr", "+ 108k unlabeled", _NUMBERS),
      sources=base.sources("SG-page"),
      notes=(
          "Dice. Trained on JSRT; NLM, NIH and SZ are other hospitals' sets.",
          "MT and AdvSSL print the same 0.8846 at 175 labels on SZ: possibly "
          "a deviation of the paper's.",
          "Ours-NO is taken to be the encoder alone; the source does not "
          "define it."))
