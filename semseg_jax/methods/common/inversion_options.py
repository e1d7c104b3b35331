"""The search that a config's block `inversion` describes."""

from semseg_jax import inversion


def options(config, snapshots) -> inversion.Options:
  """`config.inversion` as options; `snapshots`: steps after which to record."""
  c = config.inversion
  mean = c.start == "mean"
  return inversion.Options(
      steps=c.steps, learning_rate=c.learning_rate, start=c.start,
      space=c.space, optimize_noise=c.optimize_noise,
      weights=inversion.Weights(
          perceptual=c.perceptual_weight, mse=c.mse_weight,
          noise=c.noise_weight, encoder=c.consistency_weight,
          start=c.mean_distance_weight if mean else c.start_distance_weight),
      loss_size=c.loss_size, snapshots=snapshots,
      stop_every=c.stop_every, stop_below=c.stop_below,
      segment=c.segment or None)
