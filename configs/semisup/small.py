"""Economical sizes, from scratch: no ImageNet weights, small images."""

import ml_collections

from configs import common


def _segmenters(c):
  return c.supervised, c.s4gan, c.adv_ssl, c.mean_teacher


def from_scratch(c: ml_collections.ConfigDict):
  """What changes where nothing was trained before: all of batch norm learns.

  Args:
    c: a config of `base`, changed by this function.
  """
  c.segmenter.update(
      depth=18, width=32, stride_first=False, ceil_pool=False,
      frozen_affine=False, normalize="unit")
  c.mlmt.update(depth=18, width=32, normalize="unit", shape=())
  c.data.augment.update(flip_unlabeled=0.5, flip_labeled=0.5)
  for stage in _segmenters(c):
    # Rates a hundred times those of fine-tuning, backbone and classifier alike.
    stage.update(optimizer="sgd", learning_rate=0.03, head_factor=1.0,
                 batch_size=8)
  return c


def _fast(c: ml_collections.ConfigDict, *, rate: float):
  """DeepLabv3+ with AdamW: learns faster from scratch than as published."""
  c.segmenter.network = "deeplabv3plus"
  for stage in _segmenters(c):
    stage.update(optimizer="adamw", learning_rate=rate, weight_decay=1e-4)
  c.adv_ssl.discriminator_learning_rate = 2e-5  # at 1e-4 it is sure at once
  # From the backbone of the baseline, which has the same labels: from the
  # classes of 200 images alone a classifier learns little from scratch. Small
  # objects are lost in the mean over a map (docs/semisup.md).
  c.mlmt.update(start="supervised", output_stride=16, pooling="max")


def two_cores(c: ml_collections.ConfigDict):
  """For one CPU core, all stages at 64 px.

  Args:
    c: a config of `base`, changed by this function.
  """
  from_scratch(c)
  _fast(c, rate=3e-3)
  c.segmenter.update(width=16, features=48, fine_features=16)
  c.mlmt.update(width=16, steps=300, epochs=100, batch_size=16,
                unlabeled_batch_size=32, ema_decay=0.99, learning_rate=0.05)
  c.fusion.tau = 0.005
  for stage in _segmenters(c):
    stage.steps = 1000
  for stage in (c.s4gan, c.adv_ssl):
    stage.discriminator_width = 16
  # A discriminator that is neither blind nor sure after so few steps.
  c.s4gan.update(discriminator_learning_rate=2e-4, threshold=0.5,
                 self_training_start=400)
  c.adv_ssl.self_training_start = 300
  c.mean_teacher.update(rampup=300, unlabeled_batch_size=8)
  c.log.update(log_every=25, sample_every=200, eval_every=200,
               checkpoint_every=200)
  return c


def two_cores_real(
    c: ml_collections.ConfigDict, *, steps: int, batch: int, views):
  """For one CPU core where an image has ten times the pixels.

  Args:
    c: a config of `base`, changed by this function.
    steps, batch: of the segmenters' stages; images of each stream.
    views: (height, width) of MLMT's images.
  """
  two_cores(c)
  # Half the work of a forward pass at 8.
  c.segmenter.output_stride = 16
  c.mlmt.update(steps=150, unlabeled_batch_size=16, shape=views)
  for stage in _segmenters(c):
    stage.update(steps=steps, batch_size=batch)
  _later(c, steps)
  c.mean_teacher.unlabeled_batch_size = batch
  c.log.update(sample_every=200, eval_every=100, checkpoint_every=100)
  return c


def _later(c, steps):
  """What does not begin at once, for stages of so many steps."""
  c.s4gan.self_training_start = 2 * steps // 5
  c.adv_ssl.self_training_start = 3 * steps // 10
  c.mean_teacher.rampup = 3 * steps // 10


def on_features(c: ml_collections.ConfigDict, *, steps: int, evaluate):
  """A feature pyramid on a pretrained backbone, on two cores; chosen on CamVid.

  Trained on crops of full-size images, in which small things are seen, with
  colors changed at random (docs/semisup.md).

  Args:
    c: a config with a backbone after `two_cores_real`, changed by this
      function.
    steps: of the segmenters' stages.
    evaluate: (height, width) of full-size images.
  """
  c.segmenter.update(network="semantic_fpn", features=96, fine_features=64)
  c.data.geometry.update(
      crop=True, scales=(0.5, 0.75, 1.0), evaluate=evaluate)
  color = dict(brightness=0.4, contrast=0.4, saturation=0.4)
  for stage in _segmenters(c):
    stage.update(learning_rate=2e-3, dice_weight=1.0, steps=steps)
    stage.color.update(color)
  _later(c, steps)
  # It still rises when the labels alone are memorized; an average of 0.999 lags
  # behind so few steps.
  c.mean_teacher.update(steps=5 * steps // 3, rampup=steps // 2, ema_decay=0.99)
  # Four times the pixels of a step's images.
  c.log.eval_every = 200
  return c


def one_gpu(c: ml_collections.ConfigDict):
  """One GPU, images of some 200 px: half of the published widths.

  Not measured: network and optimizer are those that were better on a CPU, at a
  third of the rate there for ten times the steps.

  Args:
    c: a config of `base`, changed by this function.
  """
  from_scratch(c)
  _fast(c, rate=1e-3)
  c.segmenter.update(features=128, fine_features=32)
  c.mlmt.update(steps=4_000, unlabeled_batch_size=48)
  for stage in _segmenters(c):
    stage.steps = 10_000
  c.s4gan.self_training_start = 2_000
  c.adv_ssl.self_training_start = 2_000
  c.mean_teacher.update(rampup=2_000, unlabeled_batch_size=8)
  c.log.update(log_every=100, sample_every=1_000, eval_every=500,
               checkpoint_every=1_000)
  return c


def smoke(c: ml_collections.ConfigDict):
  """A few steps of every stage at toy size: does the whole command work?"""
  from_scratch(c)
  common.own_backbone(c, "deeplabv2")
  c.segmenter.update(width=4, depth=18, blocks=(1, 1, 1, 1), weights="")
  c.data.size = 32
  geometry = c.data.geometry
  for field, toy in (("shape", (32, 48)), ("resize", (48, 64)),
                     ("short_side", (24, 96)), ("evaluate", (48, 64)),
                     ("evaluate_short_side", 48)):
    if geometry[field]:
      geometry[field] = toy
  c.mlmt.update(width=4, blocks=(1, 1, 1, 1), steps=4, epochs=4, burn_in=0,
                batch_size=4, unlabeled_batch_size=4, weights="",
                start="", output_stride=32, pooling="mean", backbone="")
  for stage in _segmenters(c):
    stage.update(steps=4, batch_size=4)
  for stage in (c.s4gan, c.adv_ssl):
    stage.update(discriminator_width=4, self_training_start=2)
  c.mean_teacher.update(rampup=2, unlabeled_batch_size=4)
  c.data.num_validation_images = 6
  c.evaluation.update(num_visualized=2, limit=6, batch_size=4)
  c.log.update(log_every=1, sample_every=2, eval_every=2, checkpoint_every=2)
  return c
