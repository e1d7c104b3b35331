"""s4GAN + MLMT on PASCAL VOC 2012."""

from configs.tables import base

_METHODS = {
    "DeepLab baseline (labeled only)": ("s4gan_mlmt", "supervised"),
    "Hung et al. (AdvSSL)": ("s4gan_mlmt", "adv_ssl"),
    "s4GAN+MLMT": ("s4gan_mlmt", "s4gan+mlmt"),
    "s4GAN only": ("s4gan_mlmt", "s4gan"),
}
_NUMBERS = (
    ("DeepLab baseline (labeled only)", (48.3, 56.8, 62.0, 70.7), "CutMixNB",
     "medium", ""),
    ("Hung et al. (AdvSSL)", (49.2, 59.1, 64.3, 71.4), "CutMixNB", "medium",
     ""),
    ("s4GAN+MLMT", (60.4, 62.9, 67.3, 73.2), "CutMixNB", "medium", ""),
    ("s4GAN only", (None, None, 65.4, None), "S4-i15", "high", ""),
)
_COCO = "DeepLabv2 ResNet-101, COCO pretraining (inferred, see note)"
_V3 = ("DeepLabv3+ (backbone not named by the source), ImageNet "
       "pretraining")
# Published only: COCO weights are not to be had, the backbone is not known.
_OTHERS = (
    ("Hung et al. (AdvSSL)", _COCO, (57.2, 64.7, 69.5, 74.9), "DMT",
     "medium", ""),
    ("s4GAN+MLMT", _COCO, (63.3, 67.2, 71.4, 75.6), "DMT", "medium",
     "the source does not print the pretraining; COCO is inferred from the "
     "author's 69.8 for s4GAN alone"),
    ("s4GAN only", "DeepLabv2 ResNet-101, ImageNet+COCO pretraining",
     (None, None, 69.8, None), "S4-i15", "high", ""),
    ("DeepLab baseline (labeled only)", _COCO, (53.2, 58.7, 65.2, 73.6),
     "memory", "low", ""),
    ("DeepLabv3+ baseline (labeled only)", _V3, (None, None, 63.5, 74.6),
     "CutMixNB", "medium", '1/50 and 1/20 printed as "unstable"'),
    ("s4GAN+MLMT", _V3, (62.6, 66.6, 70.4, 74.7), "CutMixNB", "medium", ""),
)


def get_table():
  """See tables/definition.py."""
  rows = base.semisup_rows("pascal_voc", _METHODS, _NUMBERS)
  rows += [
      dict(name=name, setting=setting, published=values, source=source,
           confidence=confidence, note=note,
           status="recalled" if source == "memory" else "seen")
      for name, setting, values, source, confidence, note in _OTHERS]
  return dict(
      title="PASCAL VOC 2012",
      paper="s4GAN+MLMT (arXiv 1908.05724, TPAMI)",
      unit="percent", metric="miou_absent_zero",
      columns=[
          dict(name=name, split="val", arguments={"ratio": ratio},
               labels=labels, group="VOC 2012 val")
          for name, ratio, labels in (
              ("1/50", 0.02, 211), ("1/20", 0.05, 529), ("1/8", 0.125, 1322),
              ("full", 1.0, 10_582))],
      rows=rows,
      sources=base.sources("CutMixNB", "S4-i15", "DMT", "memory"),
      notes=(
          "mIoU over 21 classes on the 1,449 validation images; ratios of "
          "the 10,582 of train_aug.",
          "The paper's numbers are means over three random splits, of which "
          "only the first was released."))
