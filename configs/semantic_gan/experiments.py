"""What the configs of data sets share: arguments, presets, the end."""

from configs import common
from configs import data_sets
from configs.semantic_gan import base
from configs.semantic_gan import small


def start(arg: str, name: str, *, labels: int, unlabeled: int = -1, **others):
  """(the published config on a data set, the parsed arguments).

  Args:
    arg: text after the config's colon.
    name: of the data set.
    labels, unlabeled, **others: arguments beside `seed`, `match_official` and
      `smoke`, with their defaults.
  """
  a = common.parse_arg(arg, labels=labels, unlabeled=unlabeled, seed=0,
                       **others, match_official=False, smoke=False)
  c = base.get_config()
  c.match_official, c.seed = a["match_official"], a["seed"]
  data_sets.use(
      c, name, num_labeled=a["labels"], num_unlabeled=a["unlabeled"])
  return c, a


def size(c, a):
  """The preset for two cores, where `cpu` says so, or for one GPU.

  From 256 px on, without `cpu`, networks and steps stay the published ones.
  """
  if a["cpu"]:
    return small.two_cores(c)
  return small.one_gpu(c) if c.data.size < 256 else c


def finish(c, a, without_labels=("gan",)):
  """Stages of a run without labels (plain StyleGAN2), and `smoke`."""
  if not a["labels"]:
    c.stages = without_labels
  if a["smoke"]:
    c.data.size = 32
    small.smoke(c)
  return c


def published(name: str, labels: int):
  """`get_config` of a data set of the paper, at 256 px as published."""
  def get_config(arg=""):
    """Config of the experiment; see the module's docstring for `arg`."""
    return finish(*start(arg, name, labels=labels))

  return get_config


def check_run(a, fitted: bool):
  """Raises ValueError for `run` where labels are no fitted head's."""
  if a["run"] and not fitted:
    raise ValueError(f"config argument run={a['run']!r} is of a fitted head: "
                     "add fitted, or leave run out")


def few_images(c, a):
  """Where images are few for a GAN, and the labeled ones very few for Dm."""
  c.gan.augment.update(policy=("translation",),
                       pair_policy=("color", "translation"), strength=0.6)
  return size(c, a)


def on_features(c, a):
  """`backbone`: ImageNet features for the segmenters of images; "": none."""
  if a["backbone"]:
    common.on_backbone(c, a["backbone"])
    if a["cpu"]:
      common.narrow_deeplab(c)


def fitted(c, a):
  """A generator of images alone and fitted labels; sized and finished."""
  base.fit_labels(c, a["run"])
  c.distilled.agreement = True  # chosen on chest_xray's validation
  c.gan.augment.update(policy=("color", "translation", "cutout"), strength=0.6)
  size(c, a)
  small.varied(c)
  if a["cpu"]:
    # Levels that see most of an image, and narrow, as the images are small.
    c.supervised.update(width=16, levels=4)
    c.distilled.update(num_samples=2000)
    if a["labels"]:
      # Few labels are memorized early.
      c.log.eval_every = 100
  on_features(c, a)
  # Images alone, for other runs.
  return finish(c, a, without_labels=("gan", "encoder"))
