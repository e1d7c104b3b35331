"""s4GAN + MLMT as published on PASCAL VOC 2012; data sets' configs start here.

Values are the official code's defaults unless a comment says otherwise.
"""

import math

import ml_collections

from configs import common
from configs.semisup import small

# `method` -> stages: each with the baseline it is compared with.
METHODS = {
    "supervised": ("supervised",),
    "adv_ssl": ("supervised", "adv_ssl"),
    "mean_teacher": ("supervised", "mean_teacher"),
    "s4gan": ("supervised", "s4gan"),
    "mlmt": ("supervised", "classifier", "mlmt"),
    "s4gan_mlmt": ("supervised", "adv_ssl", "s4gan", "classifier", "mlmt"),
    # Of SemanticGAN's tables.
    "baselines": ("supervised", "mean_teacher", "adv_ssl"),
}


def get_config():
  """The published settings; `data` is left to the data set's config."""
  c = ml_collections.ConfigDict()
  c.method = "semisup"
  c.stages = METHODS["s4gan_mlmt"]
  c.seed = 0
  c.dtype = "float32"  # compute dtype: float32 or bfloat16; parameters float32
  c.matmul_precision = "default"  # jax_default_matmul_precision
  c.sharding = "replicated"  # or "fsdp": states split over the devices
  c.num_microbatches = 1  # of more only `supervised` knows
  c.remat = False  # of the generator and its discriminators: not used here
  c.faults = common.faults()
  # Reproduce where the official code differs from the paper (docs/semisup.md).
  c.match_official = False

  c.data = common.data(c.get_ref("seed") + 0)
  c.data.update(size=321, num_classes=21)
  c.data.geometry = common.geometry()

  c.pretrained = common.pretrained()

  c.segmenter = common.segmenter()
  c.segmenter.update(
      network="deeplabv2", stride_first=True, ceil_pool=True,
      frozen_affine=True, normalize="caffe")

  no_color = dict(brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0)
  sgd = dict(optimizer="sgd",  # or "adamw"
             learning_rate=2.5e-4, momentum=0.9, weight_decay=5e-4,
             head_factor=10.0,  # of "sgd": rate of classifier / of backbone
             dice_weight=0.0,  # ours: beside the labels' cross entropy
             color=no_color)  # largest changes of labeled images' colors
  c.supervised = ml_collections.ConfigDict(dict(
      sgd, steps=40_000, batch_size=10,
      width=64, levels=4,  # these two: of the U-Net
      synthetic=""))  # folder of synthetic pairs to train on besides
  c.s4gan = ml_collections.ConfigDict(dict(
      sgd, steps=40_000, batch_size=8,  # of each of the three streams
      discriminator_learning_rate=1e-4, discriminator_width=64, dropout=0.5,
      feature_matching_weight=0.1, self_training_weight=1.0, threshold=0.6,
      self_training_start=1))  # iterations without it
  # Hung et al.'s own settings.
  c.adv_ssl = ml_collections.ConfigDict(dict(
      sgd, steps=20_000, batch_size=10, discriminator_learning_rate=1e-4,
      discriminator_width=64, labeled_adversarial_weight=0.01,
      unlabeled_adversarial_weight=0.001, self_training_weight=0.1,
      threshold=0.2, self_training_start=5_000))

  strong = dict(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1,
                blur=(0.1, 2.0))
  # Steps and batches as AdvSSL's; the rest but the decay is ours.
  c.mean_teacher = ml_collections.ConfigDict(dict(
      sgd, steps=20_000, batch_size=10, unlabeled_batch_size=10,
      ema_decay=0.999, consistency_weight=10.0,  # weight after `rampup` steps
      rampup=5_000, noise=0.05,  # standard deviation over the range
      strong=strong))

  c.mlmt = ml_collections.ConfigDict(dict(
      steps=3_300, epochs=100, batch_size=16, unlabeled_batch_size=80,
      shape=(320, 320), depth=101, width=64, blocks=(), output_stride=32,
      backbone="",  # efficientnet_lite0, ...: instead of the ResNet
      pooling="mean",  # over the map; or "max"
      weights="",
      start="",  # stage whose backbone it starts from, without weights
      normalize="imagenet",
      learning_rate=0.03, final_learning_rate=1e-4, momentum=0.9,
      weight_decay=1e-5, ema_decay=0.999,
      consistency="mse",  # as in the paper; "cosine" in the official code
      consistency_weight=1.0,
      burn_in=10, ramp=0.02,  # epochs without it; then a slope
      # Classes of the unlabeled images are known (weak annotation).
      image_labels=False,
      strong=strong))

  c.fusion = ml_collections.ConfigDict(dict(
      tau=0.2))  # classes with a score of at most this are removed

  c.evaluation = ml_collections.ConfigDict(dict(
      num_visualized=32,  # whose overlays are written
      limit=0,  # images per split; 0 = all
      batch_size=8))

  c.log = ml_collections.ConfigDict(dict(
      log_every=100, sample_every=2_000, eval_every=2_000,
      checkpoint_every=5_000))
  return c


def arguments(**defaults):
  """The arguments that every config takes, with a data set's defaults."""
  return dict(
      method="s4gan_mlmt", ratio=1.0, labels=-2, seed=0, backbone="",
      match_official=False, smoke=False) | defaults


def choose(c, a, pool: int, *, separate: bool = False):
  """Sets what the arguments `a` say.

  Args:
    c: config, changed by this function.
    a: parsed `arguments`; one of `labels` and `ratio` may be given.
    pool: images of the data set's labeled pool.
    separate: the unlabeled images are a split of their own, not the rest of
      the pool.

  Raises:
    ValueError: no such method, a ratio outside (0, 1], or ratio and labels.
  """
  if {"ratio", "labels"} <= a.given:
    raise ValueError(
        f"config arguments ratio={a['ratio']} and labels={a['labels']}: give "
        "one of them")
  if not 0 < a["ratio"] <= 1:
    raise ValueError(
        f"config argument ratio={a['ratio']}: a share of the {pool} labeled "
        "images, above 0 and at most 1")
  choose_method(c, a)
  labels = a["labels"]
  if labels == -2 or "ratio" in a.given:
    # Counted as in the official code: rounded down.
    labels = -1 if a["ratio"] == 1 else math.floor(a["ratio"] * pool)
    if not labels:
      raise ValueError(
          f"config argument ratio={a['ratio']}: less than one of the {pool} "
          "labeled images")
  c.data.num_labeled = labels
  # With all labels, all streams take all images.
  c.data.num_unlabeled = (
      -1 if separate or labels == -1 else max(0, pool - labels))
  return c


def finish(c, a, pool: int, *, published: bool = False,
           separate: bool = False):
  """`choose`, MLMT's steps as `published`, and `smoke`."""
  choose(c, a, pool, separate=separate)
  if published:
    # MLMT's epochs are passes over the labeled images.
    labels = pool if c.data.num_labeled < 0 else c.data.num_labeled
    c.mlmt.steps = c.mlmt.epochs * max(1, labels // c.mlmt.batch_size)
  return small.smoke(c) if a["smoke"] else c


def on_backbone(c, name: str):
  """`common.on_backbone` of every stage, MLMT's classifier among them."""
  common.on_backbone(c, name)
  for stage in (c.s4gan, c.adv_ssl, c.mean_teacher):
    stage.update(optimizer="adamw", learning_rate=1e-3, weight_decay=1e-4)
  c.mlmt.update(backbone=name, normalize="unit", start="", weights="",
                learning_rate=0.01)
  return c


def choose_method(c, a):
  """Sets stages, seed and `match_official` by the arguments `a`.

  Raises:
    ValueError: no such method.
  """
  if a["method"] not in METHODS:
    raise ValueError(
        f"config argument method={a['method']!r}: choose one of "
        f"{', '.join(METHODS)}")
  if a.get("backbone"):
    on_backbone(c, a["backbone"])
  c.stages = METHODS[a["method"]]
  c.seed = a["seed"]
  c.match_official = a["match_official"]
  if a["match_official"]:
    # The stages read `match_official` themselves for the rest: two ASPP
    # branches, repeated parameters, the range of the labeled batch, a teacher
    # initialized separately and multiplied logits.
    c.mlmt.consistency = "cosine"
