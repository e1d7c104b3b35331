"""SemanticGAN, liver: trained on CT, scored on MRI of other patients."""

from configs.tables import base

_NUMBERS = {
    "U-Net": (0.7610, 0.2568, 0.3293, 0.8229, 0.3428, 0.2310, 0.8680, 0.4453,
              0.4177),
    "DeepLab": (0.7591, 0.2848, 0.3286, 0.8001, 0.4019, 0.3798, 0.9056, 0.4390,
                0.3767),
    "MT": (0.7815, 0.3589, 0.0955, 0.8197, 0.5319, 0.1908, 0.8834, 0.4873,
           0.2596),
    "AdvSSL": (0.8005, 0.5381, 0.5855, 0.8105, 0.5409, 0.4087, 0.8551, 0.4003,
               0.3548),
    "GCT": (0.6997, 0.4733, 0.4091, 0.7951, 0.3469, 0.4620, 0.9085, 0.4341,
            0.3816),
    "Ours-NO": (0.8036, 0.4811, 0.5135, 0.8462, 0.5538, 0.4511, 0.8603, 0.5055,
                0.5633),
    "Ours": (0.8747, 0.5565, 0.5678, 0.8961, 0.4989, 0.4575, 0.9169, 0.5097,
             0.5243),
}


def get_table():
  """See tables/definition.py."""
  return dict(
      title="CT-MRI transfer liver segmentation",
      paper="SemanticGAN (arXiv 2104.05833, CVPR 2021)",
      metric="dice_per_volume",
      columns=base.label_columns(
          (8, 20, 118), (("CT", "test"), ("CHAOS MRI T1-in", "ood_t1_in"),
                         ("CHAOS MRI T1-out", "ood_t1_out"))),
      rows=base.semantic_gan_rows(
          "liver", "+ 70 LITS2017 test volumes unlabeled", _NUMBERS),
      sources=base.sources("SG-page"),
      notes=(
          "Dice of each patient's volume, averaged. Labels are counted in "
          "volumes. Trained on slices of CT; no MRI is ever trained on.",
          "Ours-NO is taken to be the encoder alone; the source does not "
          "define it."))
