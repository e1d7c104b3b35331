"""SemanticGAN, skin lesions: trained on ISIC, three other sets."""

from configs.tables import base

_NUMBERS = {
    "U-Net": (0.4935, 0.4973, 0.3321, 0.0921, 0.6041, 0.7082, 0.4922, 0.1916,
              0.6469, 0.6761, 0.5497, 0.3278),
    "DeepLab": (0.5846, 0.6794, 0.5136, 0.1816, 0.6962, 0.7617, 0.6565, 0.4664,
                0.7845, 0.8080, 0.7222, 0.6457),
    "MT": (0.5200, 0.5813, 0.4283, 0.1307, 0.7052, 0.7922, 0.6330, 0.4149,
           0.7741, 0.8156, 0.6611, 0.5816),
    "AdvSSL": (0.5016, 0.5275, 0.5575, 0.1741, 0.6657, 0.7492, 0.6087, 0.3281,
               0.7388, 0.7351, 0.6821, 0.6178),
    "GCT": (0.4759, 0.4781, 0.5436, 0.1611, 0.6814, 0.7536, 0.6586, 0.3109,
            0.7887, 0.8248, 0.7104, 0.5681),
    "Ours-NO": (0.6987, 0.7565, 0.7083, 0.5060, 0.7517, 0.8160, 0.7150, 0.6493,
                0.7855, 0.8087, 0.6876, 0.6350),
    "Ours": (0.7144, 0.7950, 0.7350, 0.5658, 0.7555, 0.8154, 0.7388, 0.6958,
             0.7890, 0.8329, 0.7436, 0.6819),
}


def get_table():
  """See tables/definition.py."""
  return dict(
      title="Skin lesion segmentation",
      paper="SemanticGAN (arXiv 2104.05833, CVPR 2021)",
      metric="jaccard",
      columns=base.label_columns(
          (40, 200, 2000), (("ISIC", "test"), ("PH2", "ood_ph2"),
                            ("IS", "ood_dermis"), ("Quest", "ood_dermquest"))),
      rows=base.semantic_gan_rows("skin", "+ 33k unlabeled", _NUMBERS),
      sources=base.sources("SG-page"),
      notes=(
          "Jaccard index. Trained on ISIC. IS and Quest are the columns as "
          "printed, presumably DermIS and DermQuest.",
          "Ours-NO is taken to be the encoder alone; the source does not "
          "define it."))
