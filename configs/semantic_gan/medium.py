"""Sizes between the published ones and `small`: 64 to 128 px on one GPU."""

import ml_collections


def one_gpu(c: ml_collections.ConfigDict):
  """Networks of width 256 and a fortieth of the published GAN steps.

  Args:
    c: a SemanticGAN config, changed in place.
  """
  c.generator.update(max_channels=256, channel_multiplier=1.0)
  c.image_discriminator.update(max_channels=256, channel_multiplier=1.0)
  c.encoder.update(blocks=(2, 2, 2, 2), fpn_channels=256, head_channels=256,
                   head_convs=(), steps=6000, decay_start=2000,
                   decay_end=6000)
  c.gan.steps = 20_000
  c.supervised.steps = 4000
  c.log.update(log_every=100, sample_every=1000, eval_every=500,
               checkpoint_every=1000)
  return c
