"""Losses between label logits and labels (SemanticGAN, section 4).

All take NHWC logits; one channel means binary (class 1 by its sigmoid).
"""

import jax
import jax.numpy as jnp


def one_hot(label, num_classes: int, ignore_index: int | None = None):
  """Indicator of each pixel's class, float32 in {0, 1}.

  Args:
    label: [N, H, W] integer class indices.
    num_classes: C, the channels of the logits; 1 means binary and gives the
      indicator of class 1.
    ignore_index: label of pixels that belong to no class.

  Returns [N, H, W, C]; all zero where the label is ignored or no class.
  """
  first = 1 if num_classes == 1 else 0
  classes = jnp.arange(first, first + num_classes, dtype=label.dtype)
  hit = label[..., None] == classes
  if ignore_index is not None:
    hit &= label[..., None] != ignore_index
  return hit.astype(jnp.float32)


def valid_pixels(label, ignore_index: int | None):
  """[N, H, W] float32: 1 where the label counts, 0 where it is ignored.

  Negative labels are ignored with `ignore_index`, whatever that is.
  """
  if ignore_index is None:
    return jnp.ones(label.shape, jnp.float32)
  return ((label != ignore_index) & (label >= 0)).astype(jnp.float32)


def cross_entropy(logits, label, *, temperature: float = 1.0,
                  ignore_index: int | None = None):
  """Mean softmax cross-entropy of logits / temperature over counted pixels.

  Args:
    logits: [N, H, W, C].
    label: [N, H, W] integer class indices.
    temperature: divides the logits (the encoder's stage uses 0.1).
    ignore_index: label of pixels left out of the mean.

  Returns float32 scalar; 0 if every pixel is ignored.
  """
  _check_shapes(logits, label)
  scaled = logits.astype(jnp.float32) / temperature
  # The product with the indicator has a cheaper gradient than a gather.
  target = one_hot(label, logits.shape[-1])
  picked = jnp.sum(target * scaled, axis=-1)
  loss = jax.nn.logsumexp(scaled, axis=-1) - picked
  return _mean_of_valid(loss, valid_pixels(label, ignore_index))


def soft_cross_entropy(logits, target, valid=None):
  """Cross-entropy with class probabilities as target.

  The mean over an image's counted pixels, then over images (RepurposeGAN's
  auto-shot training).

  Args:
    logits: [N, H, W, C].
    target: [N, H, W, C], sums to 1 over C.
    valid: [N, H, W] with 0 where a pixel does not count; None: all count.

  Returns float32 scalar; an image without a counted pixel adds 0.
  """
  if logits.shape != target.shape:
    raise ValueError(f"logits {logits.shape} against target {target.shape}")
  log_chance = jax.nn.log_softmax(logits.astype(jnp.float32))
  loss = -jnp.sum(target * log_chance, axis=-1)
  valid = jnp.ones(loss.shape) if valid is None else valid
  count = jnp.maximum(valid.sum((1, 2)), 1.0)
  return jnp.mean((loss * valid).sum((1, 2)) / count)


def binary_cross_entropy(logits, label, *, temperature: float = 1.0,
                         ignore_index: int | None = None):
  """Mean sigmoid cross-entropy of logits / temperature over counted pixels.

  Args:
    logits: [N, H, W, 1].
    label: [N, H, W] in {0, 1}, or the ignore index.
    temperature: divides the logits (the encoder's stage uses 0.3).
    ignore_index: label of pixels left out of the mean.

  Returns float32 scalar; 0 if every pixel is ignored.
  """
  _check_shapes(logits, label)
  if logits.shape[-1] != 1:
    raise ValueError(
        f"binary cross-entropy takes one channel, got {logits.shape}")
  scaled = logits[..., 0].astype(jnp.float32) / temperature
  loss = jax.nn.softplus(scaled) - scaled * label
  return _mean_of_valid(loss, valid_pixels(label, ignore_index))


def dice_loss(logits, target, *, temperature: float = 0.3,
              include_background: bool = False, weight=None, valid=None):
  """Soft Dice loss of sigmoid(logits / temperature), squared denominators.

  Sums run over the batch and the image; channels are averaged.

  Args:
    logits: [N, H, W, C].
    target: [N, H, W, C] in {0, 1}, as `one_hot` gives it.
    temperature: divides the logits.
    include_background: whether channel 0 counts; binary logits, whose only
      channel is the foreground, need True.
    weight: [C] multiplies each channel's intersection only.
    valid: [N, H, W] with 0 where a pixel does not count.

  Returns float32 scalar, 1 - mean Dice.
  """
  if logits.shape != target.shape:
    raise ValueError(f"logits {logits.shape} against target {target.shape}")
  if not include_background and logits.shape[-1] == 1:
    raise ValueError("one channel has no background to leave out")
  chance = jax.nn.sigmoid(logits.astype(jnp.float32) / temperature)
  target = target.astype(jnp.float32)
  if valid is not None:
    chance = chance * valid[..., None]
    target = target * valid[..., None]
  if not include_background:
    chance, target = chance[..., 1:], target[..., 1:]
    weight = None if weight is None else weight[1:]
  intersection = jnp.sum(chance * target, axis=(0, 1, 2))
  if weight is not None:
    intersection = weight * intersection
  total = jnp.sum(jnp.square(chance) + jnp.square(target), axis=(0, 1, 2))
  return 1.0 - jnp.mean(2.0 * intersection / jnp.maximum(total, 1e-6))


def log_cosh(logits, target):
  """Mean log cosh(logits - target); both [N, H, W, C], float32 scalar."""
  gap = jnp.abs(logits.astype(jnp.float32) - target)
  # log cosh x = |x| + log(1 + exp(-2|x|)) - log 2 does not overflow.
  return jnp.mean(gap + jax.nn.softplus(-2.0 * gap) - jnp.log(2.0))


def _mean_of_valid(loss, valid):
  return jnp.sum(loss * valid) / jnp.maximum(jnp.sum(valid), 1.0)


def _check_shapes(logits, label):
  if logits.shape[:-1] != label.shape:
    raise ValueError(
        f"logits {logits.shape} need labels of shape {logits.shape[:-1]}, "
        f"got {label.shape}")
