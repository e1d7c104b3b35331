"""s4GAN + MLMT as published on PASCAL VOC 2012; data sets' configs start here.

Values are the release's defaults unless a comment says otherwise.
"""

import math

import ml_collections

from configs import common

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
  c.microbatches = 1  # of more only `supervised` knows
  c.remat = False  # of the generator and its discriminators: not used here
  c.faults = ml_collections.ConfigDict(dict(
      broken_pictures=0,  # training pictures that may be unreadable
      rollbacks=0))  # returns to the newest checkpoint after NaN, per stage
  c.release = False  # reproduce the release's slips (docs/semisup.md)

  c.data = ml_collections.ConfigDict(dict(
      name="", data_dir="", cache_dir=".cache/data",
      size=321, channels=3, num_classes=21, ignore_index=255,
      labels=-1,  # labelled pictures; -1 all
      unlabeled=-1,  # unlabelled pictures; -1 all
      split_seed=0,  # which nested subset
      seed=0,  # of procedural data sets
      validation="val",
      validation_pictures=0,  # 0 = the whole split
      in_domain="test",
      out_of_domain=(),  # names of splits
      workers=0,  # input processes; 0 = threads
      augment=dict(flip_unlabeled=0.0, flip_labeled=0.0, affine=0.0,
                   shift=0.1, scale=0.2, rotate=15.0)))
  c.data.geometry = common.geometry()

  c.segmenter = common.segmenter()
  c.segmenter.update(
      network="deeplabv2", stride_first=True, ceil_pool=True,
      frozen_affine=True, normalize="caffe")

  no_color = dict(brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0)
  sgd = dict(optimizer="sgd",  # or "adamw"
             learning_rate=2.5e-4, momentum=0.9, weight_decay=5e-4,
             head_factor=10.0,  # of "sgd": the classifier's rate / the trunk's
             color=no_color)  # largest changes of labelled pictures' colours
  c.supervised = ml_collections.ConfigDict(dict(
      sgd, steps=40_000, batch_size=10, dice=0.0,
      width=64, levels=4,  # these two: of the U-Net
      synthetic=""))  # folder of synthetic pairs to train on besides
  c.s4gan = ml_collections.ConfigDict(dict(
      sgd, steps=40_000, batch_size=8,  # of each of the three streams
      discriminator_rate=1e-4, discriminator_width=64, dropout=0.5,
      feature_matching=0.1, self_training=1.0, threshold=0.6,
      self_training_start=1))  # iterations without it
  # Hung et al.'s own settings.
  c.adv_ssl = ml_collections.ConfigDict(dict(
      sgd, steps=20_000, batch_size=10, discriminator_rate=1e-4,
      discriminator_width=64, labeled_adversarial=0.01,
      unlabeled_adversarial=0.001, self_training=0.1, threshold=0.2,
      self_training_start=5_000))

  strong = dict(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1,
                blur=(0.1, 2.0))
  # Steps and batches as AdvSSL's; the rest but the decay is ours.
  c.mean_teacher = ml_collections.ConfigDict(dict(
      sgd, steps=20_000, batch_size=10, unlabeled_batch_size=10,
      ema_decay=0.999, consistency=10.0,  # weight after `rampup` steps
      rampup=5_000, noise=0.05,  # standard deviation over the range
      strong=strong))

  c.mlmt = ml_collections.ConfigDict(dict(
      steps=3_300, epochs=100, batch_size=16, unlabeled_batch_size=80,
      shape=(320, 320), depth=101, width=64, blocks=(), output_stride=32,
      pooling="mean",  # over the map; or "max"
      weights="",
      start="",  # stage whose trunk it starts from, where there are no weights
      normalize="imagenet",
      learning_rate=0.03, final_learning_rate=1e-4, momentum=0.9,
      weight_decay=1e-5, ema_decay=0.999,
      consistency="mse",  # the paper's; the release's is "cosine"
      weight=1.0, burn_in=10, ramp=0.02,  # epochs without it; then a slope
      # Classes of the unlabelled pictures are known (weak annotation).
      image_labels=False,
      strong=strong))

  c.fusion = ml_collections.ConfigDict(dict(
      tau=0.2))  # classes with a score of at most this are removed

  c.evaluation = ml_collections.ConfigDict(dict(
      pictures=32,  # whose overlays are written
      limit=0,  # pictures per split; 0 = all
      batch_size=8))

  c.log = ml_collections.ConfigDict(dict(
      log_every=100, sample_every=2_000, eval_every=2_000,
      checkpoint_every=5_000))
  return c


def arguments(**defaults):
  """The arguments that every config takes, with a data set's defaults."""
  return dict(
      method="s4gan_mlmt", ratio=1.0, labels=-2, seed=0, release=False,
      smoke=False) | defaults


def choose(c, a, pool: int, *, separate: bool = False):
  """Sets what the arguments `a` say.

  Args:
    c: config, changed in place.
    a: parsed `arguments`; `labels`, where given, comes before `ratio`.
    pool: pictures of the data set's labelled pool.
    separate: the unlabelled pictures are a split of their own, not the rest of
      the pool.

  Raises:
    ValueError: no such method, or a ratio outside (0, 1].
  """
  if not 0 < a["ratio"] <= 1:
    raise ValueError(
        f"config argument ratio={a['ratio']}: a share of the {pool} labelled "
        "pictures, above 0 and at most 1")
  choose_method(c, a)
  labels = a["labels"]
  if labels == -2:
    # Counted as in the release: rounded down.
    labels = -1 if a["ratio"] == 1 else math.floor(a["ratio"] * pool)
    if not labels:
      raise ValueError(
          f"config argument ratio={a['ratio']}: less than one of the {pool} "
          "labelled pictures")
  c.data.labels = labels
  # With all labels, all streams take all pictures.
  c.data.unlabeled = -1 if separate or labels == -1 else max(0, pool - labels)
  return c


def choose_method(c, a):
  """Sets stages, seed and release by the arguments `a`.

  Raises:
    ValueError: no such method.
  """
  if a["method"] not in METHODS:
    raise ValueError(
        f"config argument method={a['method']!r}: choose one of "
        f"{', '.join(METHODS)}")
  c.stages = METHODS[a["method"]]
  c.seed = c.data.split_seed = a["seed"]
  c.release = a["release"]
  if a["release"]:
    # The release's first two ASPP branches, repeated parameters, borrowed
    # range, drawn teacher and multiplied logits follow `release` themselves.
    c.mlmt.consistency = "cosine"


def epochs_of(c, labels: int):
  """Sets MLMT's steps: its epochs are passes over the labelled pictures."""
  c.mlmt.steps = c.mlmt.epochs * max(1, labels // c.mlmt.batch_size)
  return c
