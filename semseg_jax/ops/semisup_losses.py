"""Losses of semi-supervised segmentation with adversaries and mean teachers.

s4GAN and MLMT (Mittal et al. 2021, "Semi-Supervised Semantic Segmentation with
High- and Low-Level Consistency"), AdvSSL (Hung et al. 2018). All are means in
float32; nothing is gathered, so that shapes never depend on values.
"""

import jax
import jax.numpy as jnp

_LEAST_LOG = -100.0  # As PyTorch clamps the logarithms of its BCE.


def score_loss(logits, real: bool, weight=None):
  """Binary cross entropy of a discriminator's logits, logarithms >= -100.

  Args:
    logits: [...], positive where taken for real.
    real: the target.
    weight: [...] >= 0 of each logit; None: all 1.

  Returns weighted mean; 0 where all weights are 0.
  """
  logits = logits.astype(jnp.float32)
  log = jax.nn.log_sigmoid(logits if real else -logits)
  return _mean(-jnp.maximum(log, _LEAST_LOG), weight)


def feature_matching(real, fake):
  """s4GAN, eq. 3: mean |mean of real features - mean of fake ones|.

  Args:
    real: [N, D].
    fake: [M, D].
  """
  gap = real.astype(jnp.float32).mean(0) - fake.astype(jnp.float32).mean(0)
  return jnp.abs(gap).mean()


def trusted(score, threshold: float):
  """Where a discriminator's score in [0, 1] is above the threshold, strictly.

  A mask, so that the shapes of what follows do not depend on it.
  """
  return score > threshold


def self_training(logits, weight):
  """Cross entropy of logits with their own arg-max where `weight` says so.

  The lowest class wins ties; the target has no gradient.

  Args:
    logits: [N, H, W, C].
    weight: [N] for whole images (s4GAN, eq. 4) or [N, H, W] for pixels
      (Hung et al., eq. 5), 0 or 1.

  Returns mean over the selected pixels; 0 where none is.
  """
  logits = logits.astype(jnp.float32)
  # The cross entropy of the arg-max: its logit is the largest one.
  target = jax.nn.one_hot(jnp.argmax(logits, -1), logits.shape[-1])
  loss = jax.nn.logsumexp(logits, -1) - (target * logits).sum(-1)
  weight = weight.astype(jnp.float32)
  weight = weight.reshape(weight.shape + (1,) * (3 - weight.ndim))
  return _mean(loss, jnp.broadcast_to(weight, loss.shape))


def scale_to_range(image, span=None):
  """(image - its minimum) / span, minimum and maximum over the whole batch.

  Args:
    image: [N, H, W, C].
    span: what to divide by; None for this batch's maximum - minimum, which
      gives [0, 1].
  """
  image = image.astype(jnp.float32)
  low, own = value_range(image)
  # A batch of one color has no range: it becomes 0.
  return (image - low) / jnp.maximum(own if span is None else span, 1e-12)


def value_range(image):
  """(minimum, maximum - minimum) over the whole batch."""
  low = image.min()
  return low, image.max() - low


def multi_label(logits, target):
  """Mean binary cross entropy over images and classes.

  Args:
    logits: [N, C].
    target: [N, C] in {0, 1}.
  """
  logits = logits.astype(jnp.float32)
  return jnp.mean(jax.nn.softplus(logits) - logits * target)


def squared_consistency(student, teacher):
  """Mean squared difference of the sigmoids of [N, C] logits (the paper's)."""
  gap = jax.nn.sigmoid(student.astype(jnp.float32)) - jax.nn.sigmoid(
      teacher.astype(jnp.float32))
  return jnp.mean(jnp.square(gap))


def pixel_consistency(student, teacher):
  """Mean squared difference of the class probabilities of [N, H, W, C] logits.

  Softmax; sigmoid where there is one channel, which is binary.
  """
  binary = student.shape[-1] == 1
  chance = jax.nn.sigmoid if binary else jax.nn.softmax
  gap = chance(student.astype(jnp.float32)) - chance(
      teacher.astype(jnp.float32))
  return jnp.mean(jnp.square(gap))


def cosine_consistency(student, teacher):
  """Mean over images of 1 - cosine of [N, C] logits (official code)."""
  a, b = student.astype(jnp.float32), teacher.astype(jnp.float32)
  square = lambda x: jnp.square(x).sum(-1) + 1e-12
  cosine = (a * b).sum(-1) / jnp.sqrt(square(a) * square(b))
  return jnp.mean(1 - cosine)


def _mean(values, weight):
  if weight is None:
    return values.mean()
  # Divided by at least 1: a weight is 0 or 1, so that fewer are none.
  return (values * weight).sum() / jnp.maximum(weight.sum(), 1.0)
