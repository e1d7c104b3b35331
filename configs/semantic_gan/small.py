"""Economical sizes for small images and few cores, by the same recipe."""

import ml_collections

from configs import common


def shrink(c: ml_collections.ConfigDict, *, width: int = 64):
  """Narrow networks and short batches; the data set's config sets the steps.

  Args:
    c: a SemanticGAN config, changed by this function.
    width: widest layer of generator, discriminators and encoder heads.
  """
  shrink_gan(c, width=width)
  c.encoder.update(stem_width=16, blocks=(1, 1, 1, 1), fpn_channels=width,
                   head_channels=width, head_convs=(), batch_size=8,
                   unlabeled_batch_size=8,
                   # Short runs end far from the latents that G knows without.
                   mean_start=True, latent_weight=1.0)
  # Latents of 128 numbers move less than those of 512: 0.1 leaves the latents
  # that the generator knows (chosen on validation).
  c.inversion.update(batch_size=32, learning_rate=0.02)
  return c


def shrink_gan(c: ml_collections.ConfigDict, *, width: int = 64):
  """The part of `shrink` that every method with a GAN and a baseline shares."""
  c.generator.update(style_dim=128, mlp_layers=4, max_channels=width,
                     channel_multiplier=width / 512)
  c.image_discriminator.update(max_channels=width,
                               channel_multiplier=width / 512)
  c.patch_discriminator.width = max(8, width // 4)
  # gamma = 10 is for 256 px: the penalty grows with the number of pixels, and
  # at these sizes it holds Dr back.
  c.gan.update(batch_size=8, r1_gamma=1.0)
  c.supervised.update(width=32, levels=3, batch_size=8)
  return c


def two_cores(c: ml_collections.ConfigDict):
  """64 px on two CPU cores.

  Args:
    c: a SemanticGAN config, changed by this function.
  """
  shrink(c, width=64)
  c.data.size = 64
  # Most of the time goes into the finest maps.
  c.generator.channels_per_resolution = ((32, 48), (64, 24))
  c.image_discriminator.channels_per_resolution = (
      c.generator.channels_per_resolution)
  c.gan.steps = 4000
  projected(c)
  c.encoder.update(steps=1200, decay_start=400, decay_end=1200)
  c.supervised.steps = 1000
  c.inversion.update(steps=100, snapshots=(25, 50, 100))
  # At 128 px, or more often, it takes much of the training's time.
  c.monitor.update(samples=500, network="efficientnet_lite0", feature_size=64)
  c.log.update(log_every=25, sample_every=250, eval_every=200,
               checkpoint_every=250)
  return c


def projected(c: ml_collections.ConfigDict):
  """Dr and the perceptual distance on a pretrained network's features.

  StyleGAN2's own Dr trains G too little in a few thousand steps. The features
  need the extra `pretrained`. They are taken at 64 px, which costs less than
  128 px; what these miss, a few pixels wide, the head on the image itself sees.

  Args:
    c: a config with a GAN, changed by this function.
  """
  c.image_discriminator.update(kind="projected", feature_size=64,
                               minibatch_stddev=True, pixels=True)
  c.perceptual.update(kind="efficientnet", feature_size=64)
  # As Sauer et al. 2021: no path length (and no R1 of Dr), augmentation.
  c.gan.path_length_weight = 0.0
  c.gan.augment.update(policy=("color", "translation", "cutout"),
                       strength=0.6)
  return c


def varied(c: ml_collections.ConfigDict):
  """An encoder beside the GAN that real images are reconstructed by.

  Without it the projected discriminator's samples become of few kinds.

  Args:
    c: a config with a GAN of images alone, changed by this function.
  """
  c.gan.reconstruction.update(perceptual_weight=10.0, mse_weight=10.0)
  return c


def one_gpu(c: ml_collections.ConfigDict):
  """64 to 128 px on one GPU: width 256, a fortieth of the published GAN steps.

  The recipe is that of `two_cores`; what it scores was not measured.

  Args:
    c: a SemanticGAN config, changed by this function.
  """
  c.generator.update(max_channels=256, channel_multiplier=1.0)
  c.image_discriminator.update(max_channels=256, channel_multiplier=1.0)
  c.encoder.update(blocks=(2, 2, 2, 2), fpn_channels=256, head_channels=256,
                   head_convs=(), steps=6000, decay_start=2000,
                   decay_end=6000)
  c.gan.steps = 20_000
  projected(c)
  for block in (c.image_discriminator, c.perceptual):
    block.feature_size = 128
  c.monitor.network = "efficientnet_lite0"
  c.supervised.steps = 4000
  c.log.update(log_every=100, sample_every=1000, eval_every=500,
               checkpoint_every=1000)
  return c


def smoke(c: ml_collections.ConfigDict):
  """A few steps of every stage at toy size: does the whole command work?"""
  shrink(c, width=8)
  c.generator.update(style_dim=16, mlp_layers=1, channels_per_resolution=())
  c.image_discriminator.update(kind="stylegan2", channels_per_resolution=())
  c.perceptual.kind = ""  # nothing that has to be installed
  c.gan.reconstruction.perceptual_weight = 0.0
  c.gan.path_length_weight = 2.0  # a phase more
  c.patch_discriminator.update(width=4, num_layers=2, num_scales=2)
  c.encoder.update(stem_width=4, fpn_channels=8, head_channels=8)
  common.own_backbone(c, "unet")
  c.supervised.update(width=4, levels=2)
  for stage in (c.gan, c.encoder, c.supervised):
    stage.update(steps=4, batch_size=4)
  c.encoder.unlabeled_batch_size = 4
  c.inversion.update(steps=4, snapshots=(2, 4), batch_size=4)
  if "steps" in c.few_shot:  # not of the methods that count epochs
    c.few_shot.steps = 4
  c.distilled.num_samples = 8
  c.evaluation.update(num_visualized=2, limit=6, joint_samples=8)
  c.monitor.samples = 8
  c.data.num_validation_images = 6
  c.log.update(log_every=1, sample_every=2, eval_every=2, checkpoint_every=2)
  return c
