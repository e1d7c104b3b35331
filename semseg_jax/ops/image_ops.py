"""Images: quantisation, colors of labels, overlays and resampling.

Each function takes NumPy or JAX arrays and returns the same kind.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np


def from_uint8(image):
  """uint8 [..., C] -> float32 in [-1, 1]."""
  xp = namespace(image)
  return image.astype(xp.float32) / xp.float32(127.5) - xp.float32(1.0)


# Mean and standard deviation by channel, red first, and whether the channels
# are reversed: what networks trained elsewhere expect.
NORMALIZATIONS = {
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), False),
    # s4GAN on PASCAL VOC: a range of about 130 on both sides.
    "caffe": ((122.67891434, 116.66876762, 104.00698793), (1.0,) * 3, False),
    "cityscapes": ((72.39239876, 82.90891754, 73.15835921), (255.0,) * 3,
                   True),
}


def normalize(image, kind: str):
  """uint8 [..., C] -> float32 as `kind` says.

  "unit" is [-1, 1] for any C; the other kinds are those of NORMALIZATIONS and
  give three channels, of a gray image, too.

  Raises ValueError: unknown kind, or neither one channel nor three.
  """
  if kind == "unit":
    return from_uint8(image)
  if kind not in NORMALIZATIONS:
    raise ValueError(f"no normalisation {kind!r}; choose 'unit' or one of "
                     f"{sorted(NORMALIZATIONS)}")
  if image.shape[-1] not in (1, 3):
    raise ValueError(f"normalisation {kind!r} is for 1 or 3 channels, got "
                     f"{image.shape}")
  xp = namespace(image)
  mean, std, reverse = NORMALIZATIONS[kind]
  scaled = (image.astype(xp.float32) - xp.asarray(mean, xp.float32)) / (
      xp.asarray(std, xp.float32))
  return scaled[..., ::-1] if reverse else scaled


def to_uint8(image):
  """Float image in [-1, 1] -> uint8: clamp, (x + 1) / 2 * 255, truncate."""
  xp = namespace(image)
  unit = (xp.clip(image.astype(xp.float32), -1.0, 1.0) + 1.0) / 2.0
  return (unit * 255.0).astype(xp.uint8)


def to_label(logits):
  """Class of each pixel: argmax, or sigmoid > 0.5 for one channel.

  Args:
    logits: [..., C].

  Returns [...] int32; the lowest class wins a tie.
  """
  xp = namespace(logits)
  if logits.shape[-1] == 1:
    return (logits[..., 0] > 0).astype(xp.int32)
  return xp.argmax(logits, axis=-1).astype(xp.int32)


def gray(colors: np.ndarray) -> np.ndarray:
  """uint8 [1, k] of pixels without a class: mid-gray, or one that none has.

  Args:
    colors: uint8 [C, k], of the classes.
  """
  levels = (128, 160, 96, *range(255, 0, -1))
  rows = (np.full((1, colors.shape[1]), x, np.uint8) for x in levels)
  return next(row for row in rows if not (row == colors).all(1).any())


def colorize(label, colors):
  """Colour-coded label.

  Args:
    label: [..., H, W] class indices.
    colors: C rows of k bytes, one per class.

  Returns [..., H, W, k] uint8; labels outside [0, C), such as ignored pixels,
  are of the `gray` that no class has.
  """
  xp = namespace(label)
  table = np.asarray(colors, np.uint8)
  table = xp.asarray(np.concatenate([table, gray(table)]))
  inside = (label >= 0) & (label < len(colors))
  return table[xp.where(inside, label, len(colors))]


def overlay(image, color):
  """Mean of a uint8 image [..., C or 1] and a color map, uint8."""
  xp = namespace(image, color)
  mixed = 0.5 * image.astype(xp.float32) + 0.5 * color
  return (mixed + 0.5).astype(xp.uint8)


def resize_logits(logits, size: tuple[int, int]):
  """Bilinear resize with half-pixel centres and no antialiasing.

  Args:
    logits: [..., H, W, K] float.
    size: (height, width) of the result.

  Returns [..., height, width, K] float32.
  """
  xp = namespace(logits)
  height, width, channels = logits.shape[-3:]
  x = logits.astype(xp.float32)
  if size == (height, width):
    return x
  # Two small matrix products: exact, and no scatter in the gradient.
  lead = x.shape[:-3]
  x = _matmul(
      _bilinear_matrix(height, size[0]),
      x.reshape(*lead, height, width * channels))
  x = x.reshape(*lead, size[0], width, channels)
  return _matmul(_bilinear_matrix(width, size[1]), x)


def fit_logits(logits, size: tuple[int, int], *, padded: bool = False,
               row: str = "") -> np.ndarray:
  """Logits of an image at its own size: the padding cut off, or resized.

  Args:
    logits: [..., H, W, K] of the resized image, or of the image padded on
      the right and below; not within jit.
    size: (height, width) of the image.
    padded: which of the two.
    row: the method that gave them, for the error.

  Returns NumPy [..., height, width, K] float32.

  Raises FloatingPointError: NaN or infinite, which an argmax would not tell.
  """
  logits = np.asarray(logits)
  if not np.isfinite(logits).all():
    raise FloatingPointError(
        f"{f'method {row!r}: ' if row else ''}logits are NaN or infinite, "
        "which would become class 0: weights are damaged or overflow; train "
        "or convert the network again, or take another method")
  if not padded:
    return resize_logits(logits, size)
  return logits[..., :size[0], :size[1], :].astype(np.float32)


def labels_at(logits, size: tuple[int, int], **options) -> np.ndarray:
  """`to_label` of what `fit_logits` gives: int32 [..., height, width]."""
  return to_label(fit_logits(logits, size, **options))


def area_reduce(image, size: int):
  """Averages a larger square image down to `size`; smaller ones stay.

  Args:
    image: [N, H, W, C] float; H = W a multiple of `size` if above it.
    size: largest height of the result.
  """
  height, width = image.shape[1:3]
  if height <= size:
    return image
  if height % size or height != width:
    raise ValueError(
        f"images of {(height, width)} do not reduce evenly to {size}")
  factor = height // size
  # Strided slices beat a pooling window on CPU, most of all its gradient.
  total = sum(
      image[:, i::factor, j::factor]
      for i in range(factor) for j in range(factor))
  return total / math.prod((factor, factor))


def namespace(*values):
  """`jax.numpy` if any of the arrays or numbers is JAX's, else `numpy`."""
  return jnp if any(isinstance(x, jax.Array) for x in values) else np


def _matmul(matrix, x):
  if namespace(x) is np:
    return np.matmul(matrix, x)
  return jnp.matmul(matrix, x, precision=jax.lax.Precision.HIGHEST)


def _bilinear_matrix(before: int, after: int) -> np.ndarray:
  """[after, before] float32: each row holds the weights of one output."""
  centres = (np.arange(after) + 0.5) * (before / after) - 0.5
  centres = np.clip(centres, 0, before - 1)
  low = np.floor(centres).astype(np.int64)
  high = np.minimum(low + 1, before - 1)
  part = centres - low
  matrix = np.zeros((after, before))
  rows = np.arange(after)
  np.add.at(matrix, (rows, low), 1.0 - part)
  np.add.at(matrix, (rows, high), part)
  return matrix.astype(np.float32)
