"""Differentiable augmentation (Zhao et al. 2020, "DiffAugment"), and flips.

Random numbers are separate from their application, so that a training step can
take them as arguments. Color acts on the image alone; what moves pixels acts
on image and label maps alike, so that pairs stay pairs. Each group of changes
happens to a sample with probability `strength`, which may be traced (adaptive
augmentation, Karras et al. 2020b).
"""

import jax
import jax.numpy as jnp

GROUPS = ("color", "flip", "translation", "cutout")

_TRANSLATION = 0.125  # Of the image's side, to each direction.
_CUTOUT = 0.5  # Side of the box over that of the image.


def augment_rngs(key, n):
  """Everything random about augmenting `n` samples, whatever their size.

  Args:
    key: a random key.
    n: number of samples.

  Returns dict of arrays [n], uniform in [0, 1): per group of GROUPS its
  "<group>" gate, and "brightness", "saturation", "contrast", "shift_y",
  "shift_x", "box_y", "box_x".
  """
  names = (*GROUPS, "brightness", "saturation", "contrast", "shift_y",
           "shift_x", "box_y", "box_x")
  table = jax.random.uniform(key, (len(names), n))
  return dict(zip(names, table, strict=True))


def augment(rngs, image, label=None, *,
            policy=("color", "translation", "cutout"), strength=1.0):
  """Augments images and, by the same motions, label maps.

  Args:
    rngs: from `augment_rngs`.
    image: [N, H, W, C] in [-1, 1]; the result may leave this range.
    label: None or maps [N, H, W, K] (one-hot, logits); emptied positions are 0.
    policy: which of GROUPS to apply, in the order of GROUPS.
    strength: probability of each group for each sample; may be traced.

  Returns image, or (image, label) if there is a label; differentiable in both.

  Raises ValueError: an unknown group in `policy`.
  """
  unknown = sorted(set(policy) - set(GROUPS))
  if unknown:
    raise ValueError(f"unknown groups {unknown}; choose from {GROUPS}")
  gates = {name: rngs[name] < strength for name in GROUPS}
  if "color" in policy:
    image = _gated(gates["color"], _color(rngs, image), image)
  motions = {
      "flip": lambda d, x: x[:, :, ::-1],
      "translation": _translate,
      "cutout": _cut_out}
  parts = [image] if label is None else [image, label]
  for name, motion in motions.items():
    if name in policy:
      parts = [_gated(gates[name], motion(rngs, x), x) for x in parts]
  return parts[0] if label is None else tuple(parts)


def _per_sample(x):
  return x[:, None, None, None]


def _gated(gate, changed, x):
  return jnp.where(_per_sample(gate), changed, x)


def _color(rngs, x):
  x = x + (_per_sample(rngs["brightness"]) - 0.5)
  gray = jnp.mean(x, 3, keepdims=True)
  x = gray + (x - gray) * (2.0 * _per_sample(rngs["saturation"]))
  mean = jnp.mean(x, (1, 2, 3), keepdims=True)
  return mean + (x - mean) * (_per_sample(rngs["contrast"]) + 0.5)


def _shift(u, size):
  reach = int(size * _TRANSLATION + 0.5)
  return jnp.floor(u * (2 * reach + 1)).astype(jnp.int32) - reach


def _translate(rngs, x):
  for axis, name in ((1, "shift_y"), (2, "shift_x")):
    size = x.shape[axis]
    source = jnp.arange(size) - _shift(rngs[name], size)[:, None]  # [N, size]
    inside = (source >= 0) & (source < size)
    shape = [x.shape[0], 1, 1, 1]
    shape[axis] = size
    index = jnp.clip(source, 0, size - 1).reshape(shape)
    x = jnp.where(
        inside.reshape(shape), jnp.take_along_axis(x, index, axis), 0.0)
  return x


def _cut_out(rngs, x):
  inside = []
  for axis, name in ((1, "box_y"), (2, "box_x")):
    size = x.shape[axis]
    box = int(size * _CUTOUT + 0.5)
    centre = jnp.floor(rngs[name] * (size + 1 - box % 2)).astype(jnp.int32)
    offset = jnp.arange(size) - (centre - box // 2)[:, None]
    inside.append((offset >= 0) & (offset < box))
  hole = inside[0][:, :, None] & inside[1][:, None, :]
  return jnp.where(hole[..., None], 0.0, x)
