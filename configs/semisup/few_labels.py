r"""The semi-supervised baselines of SemanticGAN's tables, as we read them.

DeepLabv2 with ResNet-101 from ImageNet weights (`segmenter.weights`), on the
data of configs/semantic_gan: the same labeled and unlabeled images, size
and augmentation, changes of the labeled images' colors included. The paper
names no network, schedule or initial weights of its baselines: those here are
s4GAN's (supervised) and AdvSSL's.

  semseg-jax train --config=configs/semisup/skin.py:labels=40 \
      --config.data.data_dir=DATA --workdir=runs/mine \
      --config.segmenter.weights=resnet101.safetensors
  semseg-jax eval  (the same flags)

Arguments: method (supervised, mean_teacher, adv_ssl, each with the supervised
baseline, or baselines, all three), labels, unlabeled, seed, match_official,
smoke.
"""

from configs import common
from configs.semisup import base
from configs.semisup import small


def make(published, labels: int):
  """`get_config` of one data set.

  Args:
    published: the module of SemanticGAN's config of the same data.
    labels: their number by default.
  """
  def get_config(arg=""):
    """Config of the experiment; see the module's docstring for `arg`."""
    a = common.parse_arg(
        arg, method="baselines", labels=labels, unlabeled=-1, seed=0,
        match_official=False, smoke=False)
    c = base.get_config()
    like = published.get_config(f"labels={a['labels']}")
    c.data.update(_data(like))
    c.data.num_unlabeled = a["unlabeled"]
    for stage in (c.supervised, c.adv_ssl, c.mean_teacher):
      stage.color.update(like.supervised.color)
    # As torchvision's network.
    c.segmenter.update(stride_first=False, ceil_pool=False,
                       normalize="imagenet")
    base.choose_method(c, a)
    return small.smoke(c) if a["smoke"] else c

  return get_config


def make_small(published, labels: int):
  """`get_config` of a data set of our own at 64 px, on two cores.

  The U-Net (`network` names another; on a `backbone` DeepLabv3+ unless it does)
  has data, augmentation, loss, steps and schedule of `published`'s stage
  `supervised`; so has Mean Teacher, but for the loss, which is cross entropy
  without Dice.

  Args:
    published: the module of SemanticGAN's config of the same data.
    labels: their number by default.
  """
  def get_config(arg=""):
    """Config of the experiment; see the module's docstring for `arg`."""
    a = common.parse_arg(
        arg, method="mean_teacher", labels=labels, unlabeled=-1, seed=0,
        network="unet", backbone="", match_official=False, smoke=False)
    if a["method"] not in ("supervised", "mean_teacher"):
      raise ValueError(f"config argument method={a['method']!r}: choose "
                       "supervised or mean_teacher")
    like = published.get_config(
        f"labels={a['labels']},unlabeled={a['unlabeled']},seed={a['seed']},cpu")
    c = base.get_config()
    c.data.update(_data(like))
    for block in ("log", "segmenter", "supervised"):
      c[block].update(like[block])
    c.segmenter.network = a["network"]
    steps, batch = c.supervised.steps, c.supervised.batch_size
    c.mean_teacher.update(
        {k: c.supervised[k] for k in (
            "optimizer", "learning_rate", "weight_decay", "steps",
            "batch_size", "color")},
        unlabeled_batch_size=batch, rampup=3 * steps // 10, ema_decay=0.99)
    base.choose_method(c, a)
    if a["backbone"] and "network" in a.given:
      c.segmenter.network = a["network"]
    if a["backbone"] or c.segmenter.network != "unet":
      common.narrow_deeplab(c)
    return small.smoke(c) if a["smoke"] else c

  return get_config


def _data(like):
  """Block `data` of another config, but for what follows this one's seed."""
  # Plain values: fields of `like` may be references.
  return {k: v for k, v in like.data.to_dict().items() if k != "split_seed"}
