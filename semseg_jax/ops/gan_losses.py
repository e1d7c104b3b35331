"""Losses and regularizers of adversarial training.

Logistic loss and R1 (Mescheder et al. 2018), path-length regularization
(Karras et al. 2020, section 3.2), hinge loss (Lim and Ye 2017) over scales
(Sauer et al. 2021), patch losses and feature matching (Wang et al. 2018,
pix2pixHD).
"""

import jax
import jax.numpy as jnp
import optax

MODES = ("hinge", "ls", "original", "w")


def logistic_discriminator(real, fake):
  """mean softplus(-real) + mean softplus(fake); logits [N] -> scalar."""
  return jnp.mean(jax.nn.softplus(-real)) + jnp.mean(jax.nn.softplus(fake))


def nonsaturating_generator(fake):
  """mean softplus(-fake); logits [N] -> scalar."""
  return jnp.mean(jax.nn.softplus(-fake))


def hinge_discriminator(real, fake):
  """Sum over scales of mean max(0, 1 - real) + mean max(0, 1 + fake).

  Args:
    real: list over scales of scores of any shape: each scale counts once.
    fake: the same of samples.
  """
  return sum(
      jnp.mean(jax.nn.relu(1 - r)) + jnp.mean(jax.nn.relu(1 + f))
      for r, f in zip(_float32(real), _float32(fake), strict=True))


def hinge_generator(fake):
  """Minus the sum over scales of the mean score; see `hinge_discriminator`."""
  return -sum(jnp.mean(f) for f in _float32(fake))


def patch_discriminator_loss(maps, target_real: bool, mode="hinge"):
  """Discriminator's loss on real (or fake) pairs, averaged over scales.

  Args:
    maps: list over scales of lists of layer outputs; the last of each scale
      is its score map.
    target_real: whether the pairs are real.
    mode: "hinge" max(0, 1 -+ x); "ls" (x - t)^2 with t 1 or 0; "original"
      binary cross-entropy on logits; "w" -+ x.

  Returns a scalar.

  Raises ValueError: an unknown mode.
  """
  sign = 1.0 if target_real else -1.0
  def loss(x):
    if mode == "hinge":
      return jax.nn.relu(1.0 - sign * x)
    return _target_loss(x, target_real, mode)
  return _over_scales(maps, loss)


def patch_generator_loss(maps, mode="hinge"):
  """Generator's loss: as if fake pairs were real; "hinge" is -x, unclipped.

  Args, Raises: see `patch_discriminator_loss`.
  """
  def loss(x):
    return -x if mode == "hinge" else _target_loss(x, True, mode)
  return _over_scales(maps, loss)


def feature_matching(fake_scales, real_scales, weight=2.0):
  """L1 between fake and real features of a patch discriminator.

  Args:
    fake_scales: list over scales of lists of layer outputs.
    real_scales: the same for real pairs; receives no gradient.
    weight: factor on the result.

  Returns:
    weight / scales * sum over scales and all layers but the last of mean |.|.
  """
  total = 0.0
  for fake, real in zip(fake_scales, real_scales, strict=True):
    for f, r in zip(fake[:-1], real[:-1], strict=True):
      gap = f.astype(jnp.float32) - jax.lax.stop_gradient(r)
      total = total + jnp.mean(jnp.abs(gap))
  return total * (weight / len(fake_scales))


def r1_penalty(score_fn, x):
  """Mean over the batch of each sample's squared gradient norm.

  Args:
    score_fn: x -> scalar; the sum of logits for an image discriminator, the
      sum over scales of the mean score for a patch discriminator.
    x: [N, ...] real samples.

  Returns a scalar, without the factor gamma / 2.
  """
  gradient = jax.grad(score_fn)(x)
  return jnp.sum(jnp.square(gradient)) / x.shape[0]


def path_length_penalty(image_fn, latents, noise, mean_path_length, decay=0.01):
  """Penalises deviations of the mapping's Jacobian norm from its mean.

  Args:
    image_fn: latents -> image [N, H, W, C].
    latents: [N, L, D].
    noise: [N, H, W, C], standard normal; divided by sqrt(H * W) here.
    mean_path_length: running mean, a constant.
    decay: rate of the running mean.

  Returns (penalty, new mean, lengths [N]). The penalty is taken against the
  updated mean, through which gradient flows; the new mean is returned without.
  """
  def projection(c):
    image = image_fn(c)
    pixels = image.shape[1] * image.shape[2]
    return jnp.sum(image * noise) / jnp.sqrt(float(pixels))

  gradient = jax.grad(projection)(latents)
  lengths = jnp.sqrt(jnp.mean(jnp.sum(jnp.square(gradient), 2), 1))
  mean = jax.lax.stop_gradient(mean_path_length)
  mean = mean + decay * (jnp.mean(lengths) - mean)
  penalty = jnp.mean(jnp.square(lengths - mean))
  return penalty, jax.lax.stop_gradient(mean), lengths


def _target_loss(x, target_real, mode):
  target = jnp.full_like(x, float(target_real))
  if mode == "ls":
    return jnp.square(x - target)
  if mode == "original":
    return optax.sigmoid_binary_cross_entropy(x, target)
  if mode == "w":
    return -x if target_real else x
  raise ValueError(f"unknown mode {mode!r}; choose one of {MODES}")


def _float32(scores):
  return [x.astype(jnp.float32) for x in scores]


def _over_scales(maps, loss):
  scores = _float32([scale[-1] for scale in maps])
  return sum(jnp.mean(loss(x)) for x in scores) / len(scores)


def energy_distance(x, y):
  """2 E|x - y| - E|x - x'| - E|y - y'| of two samples [N, D] and [M, D].

  Szekely and Rizzo 2013; unbiased, hence below 0 at times.
  """
  def mean(a, b, pairs):
    gaps = jnp.square(a[:, None] - b[None]).sum(-1)
    # A sample's distance to itself has no gradient and is no pair.
    return jnp.sqrt(gaps + 1e-8).sum() / pairs

  n, m = len(x), len(y)
  return (2 * mean(x, y, n * m) - mean(x, x, n * (n - 1))
          - mean(y, y, m * (m - 1)))
