"""RepurposeGAN as published; data sets' configs start from it.

Values are the official code's unless a comment says otherwise. The blocks of
the generator, its training and the inversion are those of SemanticGAN's config.
"""

from configs import common
from configs import data_sets
from configs.semantic_gan import base as gan_base
from configs.semantic_gan import small as gan_small


def get_config(preset=None):
  """The published settings; `data` is left to the data set's config.

  Args:
    preset: a function of `configs/semantic_gan/small.py` that sizes the
      generator, its training and the baseline; None leaves StyleGAN2's.
  """
  c = gan_base.get_config()
  if preset:
    preset(c)
  del c.encoder  # this method has none
  c.method = "repurpose_gan"
  # `fully_supervised` is the annotator of experiments without a person.
  c.stages = ("gan", "fully_supervised", "segmenter", "autoshot")
  c.data.num_labeled = 0  # of the generator: it must not have seen any
  c.generator.update(
      weights="",  # converted stylegan2/generator; "" = the run's stage `gan`
      allow_label_branch=False)

  c.hypercolumn = dict(
      size=0,  # side of hypercolumns; 0 = the image's; 512 in the official code
      first=8,  # smallest map; 4 in the notebook
      layers=(),  # names such as "conv16_up" instead of all from `first` on
      resize="")  # "aligned" (official) or "nearest"; "" = the segmenter's own

  c.shots = dict(
      source="fully_supervised",  # or "folder" (painted by hand), "projected"
      folder="",  # of `sample`'s images and their masks
      count=1,  # labeled images; 1, 5 and 10 in the paper; 0 = all painted
      trial=0,  # which images
      truncation=1.0)  # 0.7 in the notebook

  c.few_shot = dict(
      kind="cnn",  # the authors'; cnn_s, cnn_m, cnn_l, linear, mlp
      epochs=1000, learning_rate=1e-3, weight_decay=1e-3,
      decay=0.9, decay_epochs=50,  # notebook: 100 epochs, 0.1 after 50
      rate_factors=dict(linear=1.0))  # ours: a kind's share of learning_rate

  c.autoshot = dict(
      num_samples=5000, held_out=0.005, truncation=1.0,
      steps=156_000,  # 1000 epochs, the most in the official code
      batch_size=32, learning_rate=1e-3, weight_decay=1e-3, clip=0.1,
      patience=20, factor=0.1, floor=1e-6, width=64,
      backbone="",  # efficientnet_lite0, ...: a U-Net on it, ours
      # Ours: colors and textures of other samples, up to this many times as far
      # from the mean; 0: each sample's own.
      styles=0.0,
      augment=dict(degrees=10.0, shift=0.5, scale=(0.5, 2.0), flip=0.5))

  # From the mean latent, as there is no encoder; the official code does not
  # say how.
  c.inversion.update(start="mean", consistency_weight=0.0, snapshots=())
  return c


def smoke(c):
  """A few steps of every stage at toy size, on a config that `small` sized."""
  c.few_shot.update(epochs=4)
  c.autoshot.update(
      steps=4, batch_size=4, num_samples=8, held_out=0.25, width=4)
  c.hypercolumn.size = 0
  c.evaluation.limit = 4
  return c


def two_cores(c):
  """Segmenter and auto-shot for two CPU cores."""
  # The official code's schedule in a tenth of the epochs.
  c.few_shot.update(epochs=100, decay_epochs=5)
  # Chosen on samples: at 0.001 so short a run leaves a linear map unfinished.
  c.few_shot.rate_factors.linear = 30.0
  c.autoshot.update(num_samples=500, steps=1260, batch_size=8, width=16,
                    patience=5)
  return c


def painted(name: str):
  """`get_config` of a published set: pre-trained generator, painted shots."""
  def get_config(arg=""):
    """Config of the experiment; see the module's docstring for `arg`."""
    return on_painted(name, common.parse_arg(
        arg, shots=1, segmenter="cnn", seed=0, smoke=False))

  return get_config


def on_painted(name: str, a):
  """The config of `painted` by parsed arguments."""
  c = chosen(get_config(gan_small.smoke if a["smoke"] else None), a, name)
  c.hypercolumn.size = min(512, c.data.size)
  if a["smoke"]:
    # Nothing needs to be downloaded or painted for a smoke run.
    c.data.size = 32
    return smoke(c)
  c.stages = ("segmenter", "autoshot")
  c.shots.source = "folder"
  return c


def sized(arg: str, name: str):
  """(config for two cores or one GPU, parsed arguments) on a data set."""
  a = common.parse_arg(arg, shots=1, segmenter="cnn", seed=0, cpu=False,
                       run="", smoke=False)
  preset = gan_small.two_cores if a["cpu"] else gan_small.one_gpu
  c = chosen(get_config(gan_small.smoke if a["smoke"] else preset), a, name)
  if a["smoke"]:
    c.data.size = 32
    smoke(c)
  elif a["cpu"]:
    c.data.size = 64
    two_cores(c)
  return gan_base.use_generator(c, a["run"]) if a["run"] else c, a


def chosen(c, a, name: str, **changes):
  """Sets the data set and what the arguments say of seed and shots."""
  data_sets.use(c, name, **changes)
  c.seed = a["seed"]
  c.shots.count = a["shots"]
  c.few_shot.kind = a["segmenter"]
  return c
