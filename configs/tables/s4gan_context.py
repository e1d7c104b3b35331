"""s4GAN + MLMT on PASCAL-Context."""

from configs.tables import base

_METHODS = {
    "s4GAN+MLMT": ("s4gan_mlmt", "s4gan+mlmt"),
    "DeepLab baseline (labeled only)": ("s4gan_mlmt", "supervised"),
    "Hung et al. (AdvSSL)": ("s4gan_mlmt", "adv_ssl"),
}
_NUMBERS = (
    ("s4GAN+MLMT", (35.3, 37.8, None), "PWC2", "medium", ""),
    ("DeepLab baseline (labeled only)", (32.1, 35.4, 41.0), "memory", "low",
     ""),
    ("Hung et al. (AdvSSL)", (32.8, 34.8, 39.1), "memory", "low", ""),
)


def get_table():
  """See tables/definition.py."""
  rows = base.semisup_rows("pascal_context", _METHODS, _NUMBERS)
  return dict(
      title="PASCAL-Context",
      paper="s4GAN+MLMT (arXiv 1908.05724, TPAMI)",
      unit="percent", metric="miou_absent_zero",
      columns=[
          dict(name=name, split="val", arguments={"ratio": ratio},
               labels=labels, group="PASCAL-Context val")
          for name, ratio, labels in (
              ("1/8", 0.125, 624), ("1/4", 0.25, 1249), ("full", 1.0, 4996))],
      rows=rows,
      sources=base.sources("PWC2", "memory"),
      notes=("mIoU over 60 classes, the background among them; images are "
             "scored on a centre crop of 512x512.",))
