"""s4GAN on Cityscapes at half resolution."""

from configs.tables import base

_METHODS = {
    "DeepLab baseline (labeled only)": ("s4gan", "supervised"),
    "Hung et al. (AdvSSL)": ("adv_ssl", "adv_ssl"),
    "s4GAN (no MLMT)": ("s4gan", "s4gan"),
}
_NUMBERS = (
    ("DeepLab baseline (labeled only)", (56.2, 60.2, 66.0), "CutMixNB",
     "medium", ""),
    ("Hung et al. (AdvSSL)", (57.1, 60.5, 66.2), "CutMixNB", "medium",
     "DMT quotes 58.8 (1/8) and 67.7 (full); the two sources disagree"),
    ("s4GAN (no MLMT)", (59.3, 61.9, 65.8), "CutMixNB", "high",
     'DMT labels the row "s4GAN + MLMT"'),
)


def get_table():
  """See tables/definition.py."""
  rows = base.semisup_rows("cityscapes", _METHODS, _NUMBERS)
  return dict(
      title="Cityscapes",
      paper="s4GAN+MLMT (arXiv 1908.05724, TPAMI)",
      unit="percent", metric="miou_absent_zero",
      columns=[
          dict(name=name, split="val", arguments={"ratio": ratio},
               labels=labels, group="Cityscapes val")
          for name, ratio, labels in (
              ("1/8", 0.125, 371), ("1/4", 0.25, 743), ("full", 1.0, 2975))],
      rows=rows,
      sources=base.sources("CutMixNB"),
      notes=("mIoU over 19 classes; images and labels at 512x1024, half "
             "the resolution that later papers score at.",))
