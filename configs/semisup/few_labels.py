"""The semi-supervised baselines of SemanticGAN's tables, as we read them.

DeepLabv2 with ResNet-101 from ImageNet weights (`segmenter.weights`), on the
data of configs/semantic_gan: the same labeled and unlabeled images, size
and augmentation, changes of the labeled images' colours included. The paper
names no network, schedule or initial weights of its baselines: those here are
s4GAN's (supervised) and AdvSSL's.
"""

from configs import common
from configs.semisup import base
from configs.semisup import small


def make(arg, published, labels: int):
  """The config of one data set.

  Args:
    arg: text with method, labels, unlabeled, seed, match_official, smoke.
    published: the module of SemanticGAN's config of the same data.
    labels: their number by default.
  """
  a = common.parse_arg(
      arg, method="baselines", labels=labels, unlabeled=-1, seed=0,
      match_official=False, smoke=False)
  c = base.get_config()
  like = published.get_config(f"labels={a['labels']}")
  # Plain values: fields of `like` may be references.
  c.data.update({k: v for k, v in like.data.to_dict().items()
                 if k != "split_seed"})
  c.data.num_unlabeled = a["unlabeled"]
  for stage in (c.supervised, c.adv_ssl, c.mean_teacher):
    stage.color.update(like.supervised.color)
  # As torchvision's network.
  c.segmenter.update(stride_first=False, ceil_pool=False,
                     normalize="imagenet")
  base.choose_method(c, a)
  if a["smoke"]:
    small.smoke(c)
  return c
