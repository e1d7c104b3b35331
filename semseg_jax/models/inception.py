"""Inception-v3 as FID and IS use it (Szegedy et al. 2016; Heusel et al. 2017).

The network of 2015-12-05 with 1008 classes. It differs from the later public
ones: average pools leave padding out of their means, and the last block takes
a maximum instead. Submodules have the names of the usual weight file.
"""

from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from semseg_jax.models import torch_layers
from semseg_jax.ops import pooling

SIZE = 299

_ROW, _COLUMN = (1, 7), (7, 1)  # Kernels of the factorised 7x7 convolutions.


class InceptionV3(nn.Module):
  """Images [N, H, W, 3 or 1] in [-1, 1] -> (features, logits), float32.

  Images are resized to 299 px (bilinear, half-pixel centers, no
  antialiasing, as usual for FID in PyTorch). Features [N, 2048] are the
  means of the last maps. Logits [N, 1008] include the bias; the usual
  implementation of the Inception Score leaves it out.
  """
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, image):
    n, _, _, channels = image.shape
    x = jax.image.resize(
        image, (n, SIZE, SIZE, channels), "linear", antialias=False)
    x = jnp.broadcast_to(x, (n, SIZE, SIZE, 3))
    x = self._conv("Conv2d_1a_3x3", 32, 3, 2)(x)
    x = self._conv("Conv2d_2a_3x3", 32, 3)(x)
    x = self._conv("Conv2d_2b_3x3", 64, 3, padding=1)(x)
    x = pooling.max_pool(x, 3, 2)
    x = self._conv("Conv2d_3b_1x1", 80, 1)(x)
    x = self._conv("Conv2d_4a_3x3", 192, 3)(x)
    x = pooling.max_pool(x, 3, 2)
    for name, pool_width in (("5b", 32), ("5c", 64), ("5d", 64)):
      x = Block35(pool_width, self.dtype, name=f"Mixed_{name}")(x)
    x = Reduction17(self.dtype, name="Mixed_6a")(x)
    for name, width in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
      x = Block17(width, self.dtype, name=f"Mixed_{name}")(x)
    x = Reduction8(self.dtype, name="Mixed_7a")(x)
    x = Block8("average", self.dtype, name="Mixed_7b")(x)
    x = Block8("max", self.dtype, name="Mixed_7c")(x)
    features = x.astype(jnp.float32).mean((1, 2))
    return features, nn.Dense(1008, name="fc")(features)

  def _conv(self, name, features, kernel, stride=1, padding=0):
    return ConvBN(features, kernel, stride, padding, self.dtype, name=name)


class ConvBN(nn.Module):
  """Convolution, batch norm with fixed statistics, ReLU."""
  features: int
  kernel: int | tuple[int, int] = 1
  stride: int = 1
  padding: int | tuple[int, int] = 0
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x):
    x = torch_layers.Conv(
        self.features, self.kernel, stride=self.stride, padding=self.padding,
        use_bias=False, dtype=self.dtype, name="conv")(x)
    return jax.nn.relu(torch_layers.BatchNorm(
        epsilon=1e-3, dtype=self.dtype, name="bn")(x, train=False))


class _Branches(nn.Module):
  """What the blocks share: named chains of `ConvBN`."""

  def _same(self, x, name, features, kernel=1):
    """One convolution that keeps the map's size."""
    size = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = tuple(k // 2 for k in size)
    return ConvBN(
        features, size, padding=padding, dtype=self.dtype, name=name)(x)

  def _halve(self, x, name, features):
    return ConvBN(features, 3, 2, dtype=self.dtype, name=name)(x)

  def _chain(self, x, name, *layers):
    """`_same` layer by layer, named {name}_1, {name}_2, ..."""
    for i, layer in enumerate(layers, start=1):
      x = self._same(x, f"{name}_{i}", *layer)
    return x


class Block35(_Branches):
  """1x1, 5x5, double 3x3 and pooling branches on 35 px maps."""
  pool_width: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x):
    return jnp.concatenate([
        self._same(x, "branch1x1", 64),
        self._chain(x, "branch5x5", (48,), (64, 5)),
        self._chain(x, "branch3x3dbl", (64,), (96, 3), (96, 3)),
        self._same(pooling.average_pool(x, 3, 1, 1), "branch_pool",
                   self.pool_width)], -1)


class Reduction17(_Branches):
  """35 to 17 px."""
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x):
    y = self._chain(x, "branch3x3dbl", (64,), (96, 3))
    return jnp.concatenate([
        self._halve(x, "branch3x3", 384),
        self._halve(y, "branch3x3dbl_3", 96),
        pooling.max_pool(x, 3, 2)], -1)


class Block17(_Branches):
  """1x1, 7x7, double 7x7 (factorised) and pooling branches on 17 px maps."""
  width: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x):
    w = self.width
    return jnp.concatenate([
        self._same(x, "branch1x1", 192),
        self._chain(x, "branch7x7", (w,), (w, _ROW), (192, _COLUMN)),
        self._chain(x, "branch7x7dbl", (w,), (w, _COLUMN), (w, _ROW),
                    (w, _COLUMN), (192, _ROW)),
        self._same(pooling.average_pool(x, 3, 1, 1), "branch_pool", 192)], -1)


class Reduction8(_Branches):
  """17 to 8 px."""
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x):
    y = self._chain(x, "branch3x3", (192,))
    z = self._chain(x, "branch7x7x3", (192,), (192, _ROW), (192, _COLUMN))
    return jnp.concatenate([
        self._halve(y, "branch3x3_2", 320),
        self._halve(z, "branch7x7x3_4", 192),
        pooling.max_pool(x, 3, 2)], -1)


class Block8(_Branches):
  """1x1, split 3x3, double split 3x3 and pooling branches on 8 px maps."""
  pool: str
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x):
    y = self._chain(x, "branch3x3", (384,))
    z = self._chain(x, "branch3x3dbl", (448,), (384, 3))
    pooled = (pooling.average_pool(x, 3, 1, 1) if self.pool == "average"
              else pooling.max_pool(x, 3, 1, 1))
    return jnp.concatenate([
        self._same(x, "branch1x1", 320),
        self._same(y, "branch3x3_2a", 384, (1, 3)),
        self._same(y, "branch3x3_2b", 384, (3, 1)),
        self._same(z, "branch3x3dbl_3a", 384, (1, 3)),
        self._same(z, "branch3x3dbl_3b", 384, (3, 1)),
        self._same(pooled, "branch_pool", 192)], -1)
