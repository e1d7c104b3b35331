"""Fewshot-SMIS as published (256 px); data sets' configs start from it.

Values are the official code's defaults unless a comment says otherwise.
Generator, discriminators, GAN, baseline and data are SemanticGAN's blocks; the
GAN is trained without labels (`data.num_labeled` = 0), the shots are counted
apart.
"""

import ml_collections

from configs import common
from configs import data_sets
from configs.semantic_gan import base
from configs.semantic_gan import small


def get_config():
  """The published settings; `data` is left to the data set's config."""
  c = base.get_config()
  c.method = "fewshot_smis"
  # `fully_supervised` is not the paper's: it judges layouts, and nothing else.
  c.stages = ("gan", "shots", "encoder", "fully_supervised")
  c.data.num_labeled = 0
  c.generator.update(
      weights="",  # converted stylegan2/generator instead of the stage `gan`
      allow_label_branch=False)

  c.shots = ml_collections.ConfigDict(dict(
      count=5,  # annotated images of the labeled pool; 1 and 5 in the paper
      # Instead of the labeled pool: images/ and masks/ to be inverted, or
      # painted samples of `sample`, whose latents are known.
      folder="",
      # "mask": whole masks (dense), or masks whose 0 is unknown (sparse);
      # "scribbles", "points": made of whole masks, with unknown as class 0.
      annotation="mask",
      strokes=3, stroke_length=0.25,  # per class; of the side
      steps=2000, learning_rate=1.0, start_noise=512 ** -0.5, best_every=50,
      mse_weight=1.0, perceptual_weight=0.8, batch_size=1))

  c.pseudo = ml_collections.ConfigDict(dict(
      # "dense", "sparse"; ours, of whole masks: "nearest", by the most similar
      # cell, and "fitted", by a segmenter of several maps (blocks few_shot and
      # hypercolumn) after `updates` of one shot each.
      labeling="dense", updates=600,
      layer="",  # of the generator; "" = the last map of at most 64 px
      k=3, threshold=0.5))  # sparse: cells per vector, least cosine

  c.encoder = ml_collections.ConfigDict(dict(
      widths=(64, 128, 256, 512), units=(3, 4, 14, 3), latent_split=(3, 4),
      steps=100_000, batch_size=2, learning_rate=1e-4,
      num_validation_images=32,
      # The best checkpoint is nearest to the validation "images", or, ours,
      # to the "latents" of generated pairs.
      select="images",
      weights=""))  # converted psp/encoder, for synthesis without training

  c.synthesis = ml_collections.ConfigDict(dict(
      styles="8-17",  # latents that are mixed
      alpha=1.0, samples=3, batch_size=8,
      # Ours, with pseudo.labeling="fitted": steps of a search from the
      # encoder's latents for those whose labels are the layout.
      steps=0, learning_rate=0.02, distance_weight=0.1))

  c.log.update(eval_every=2_500, checkpoint_every=5_000)
  return c


def published(name: str, *, shots: int, labeling: str,
              multiplier: float = 2.0):
  """`get_config` of a published set: shots and a converted generator.

    semseg-jax train --config=configs/fewshot_smis/NAME.py \\
        --config.data.data_dir=SHOTS --workdir=runs/mine \\
        --config.generator.weights=generator.safetensors \\
        --config.perceptual.weights=lpips_alex.safetensors

  SHOTS is in the `folder` layout: `train_labeled` are the shots, `val` the test
  pairs. Arguments of the configs: shots, labeling, seed, smoke.

  Args:
    name: of the data set, whose `size` is the generator's: 1024, 512 or 256 px
      for 18, 16 or 14 latents.
    shots, labeling: defaults of the arguments.
    multiplier: of the generator's widths from 64 px on.
  """
  def get_config_of(arg=""):
    """Config of the experiment; see the module's docstring for `arg`."""
    a = common.parse_arg(arg, **arguments(shots=shots, labeling=labeling))
    c = data_sets.use(get_config(), name)
    c.seed = a["seed"]
    c.generator.channel_multiplier = multiplier
    c.shots.count = a["shots"]
    c.pseudo.labeling = a["labeling"]
    c.stages = ("shots", "encoder")
    c.synthesis.styles = f"8-{2 * c.data.size.bit_length() - 5}"
    return smoke(c) if a["smoke"] else c

  return get_config_of


def arguments(**changes) -> dict:
  """Defaults of the arguments that every config of the method takes."""
  return dict(shots=5, labeling="dense", seed=0, smoke=False) | changes


def at_64(c: ml_collections.ConfigDict, run: str = ""):
  """64 px, with the sizes of SemanticGAN's `small.two_cores`.

  Args:
    c: a config that `two_cores` sized, changed by this function.
    run: a run of images alone whose generator is used; "": trains its own.
  """
  c.data.size = 64
  # Most of the time goes into the finest maps.
  c.generator.channels_per_resolution = ((32, 48), (64, 24))
  c.image_discriminator.channels_per_resolution = (
      c.generator.channels_per_resolution)
  small.projected(c)
  c.synthesis.styles = "6-9"
  return base.use_generator(c, run) if run else c


def whole_masks(c: ml_collections.ConfigDict, a: dict):
  """Sets what the arguments say, for data sets with whole masks.

  Sparse labeling then gets scribbles that are made of the masks.
  """
  c.seed = a["seed"]
  c.shots.count = a["shots"]
  if a["labeling"] == "sparse":
    c.pseudo.labeling, c.shots.annotation = "sparse", "scribbles"
  elif a["labeling"] in ("dense", "nearest", "fitted"):
    c.pseudo.labeling = a["labeling"]
  else:
    raise ValueError(f"config argument labeling={a['labeling']!r}; use "
                     "dense, nearest, fitted or sparse")
  if a["smoke"]:
    smoke(c)
  return c


def two_cores(c: ml_collections.ConfigDict):
  """Narrow networks for 32 to 64 px on two CPU cores."""
  small.shrink_gan(c, width=64)
  c.gan.update(ema_decay=0.995)  # the runs are short
  # Some thousand steps instead of 100,000: larger steps on larger batches.
  c.encoder.update(widths=(16, 32, 48, 64), units=(1, 2, 2, 1), batch_size=8,
                   steps=2000, learning_rate=4e-3, num_validation_images=64,
                   # Nothing tells the colors of a validation image: the
                   # nearest image is the mean one, whatever the layout.
                   select="latents")
  # A rate of 1 takes latents of 128 numbers far from those of samples, which
  # the pseudo labels are for.
  c.shots.update(steps=500, learning_rate=0.1, start_noise=0.0, batch_size=5)
  c.monitor.samples = 500
  c.log.update(log_every=25, sample_every=250, eval_every=250,
               checkpoint_every=250)
  return c


def smoke(c: ml_collections.ConfigDict):
  """A few steps of every stage at toy size: does the whole command work?"""
  two_cores(c)
  small.shrink_gan(c, width=8)
  c.data.update(size=32, num_validation_images=6)
  c.generator.update(style_dim=16, mlp_layers=2, channels_per_resolution=())
  c.image_discriminator.update(kind="stylegan2", channels_per_resolution=())
  c.perceptual.kind = ""  # nothing that has to be installed
  c.supervised.update(width=4, levels=2, steps=4, batch_size=4)
  c.gan.update(steps=4, batch_size=4)
  c.shots.update(steps=4, best_every=2)
  c.encoder.update(widths=(4, 6, 8, 10), units=(1, 1, 1, 1), steps=4,
                   batch_size=2, num_validation_images=4)
  c.synthesis.update(batch_size=4, styles="4-7")
  c.evaluation.update(num_visualized=2, limit=6)
  c.monitor.samples = 8
  c.log.update(log_every=1, sample_every=2, eval_every=2, checkpoint_every=2)
  return c
