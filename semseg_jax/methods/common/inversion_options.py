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
      segment=c.segment or None)


def networks(generator, perceptual, *, labels_of=None, encode=None
             ) -> inversion.Networks:
  """Functions of {"generator", "perceptual", "head"?, "encoder"?}: variables.

  Args:
    perceptual: a `perceptual.Perceptual`.
    labels_of: (head's variables, features) -> logits instead of the branch's.
    encode: see `inversion.Networks`.
  """
  def generate(frozen, latents, noise):
    sample, maps = generator.apply(
        frozen["generator"], latents, noise, method="synthesize")
    return sample.image, (
        labels_of(frozen["head"], maps) if labels_of else sample.logits)

  return inversion.Networks(
      num_ws=generator.num_ws, noise_shapes=generator.noise_shapes,
      generate=generate,
      features=lambda f, x: perceptual.features(f["perceptual"], x),
      distance=lambda f, a, b: perceptual.distance(f["perceptual"], a, b),
      encode=encode)
