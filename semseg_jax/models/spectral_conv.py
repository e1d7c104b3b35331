"""Convolution under spectral normalization (Miyato et al. 2018)."""

from typing import Any

from flax import linen as nn
import jax
from jax import lax
import jax.numpy as jnp

from semseg_jax.ops import conv


class SpectralConv(nn.Module):
  """Convolution whose kernel is divided by its largest singular value.

  One power iteration per training forward, before use (Miyato et al. 2018,
  algorithm 1). Its vectors u [Co] and v [k, k, Ci] live in the collection
  "spectral".
  """
  features: int  # output channels
  stride: int = 1  # same along both axes
  kernel_size: int = 4  # k; the padding is k // 2
  use_bias: bool = False  # adds a bias after the convolution
  # Initializer; matters to the optimizer's relative steps alone.
  kernel_init: Any = nn.initializers.normal(0.02)
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x, update_stats):
    """x [N, H, W, Ci]; `update_stats` advances the power iteration."""
    k = self.kernel_size
    shape = (k, k, x.shape[-1], self.features)
    kernel = self.param("kernel", self.kernel_init, shape)
    unit_normal = lambda *s: _unit(
        jax.random.normal(self.make_rng("params"), s))
    u = self.variable("spectral", "u", unit_normal, self.features)
    v = self.variable("spectral", "v", unit_normal, *shape[:3])
    if update_stats and not self.is_initializing():
      constant = lax.stop_gradient(kernel)
      v.value = _unit(jnp.einsum("hwio,o->hwi", constant, u.value))
      u.value = _unit(jnp.einsum("hwio,hwi->o", constant, v.value))
    # u and v are constants: only the kernel carries the gradient of sigma.
    left, right = lax.stop_gradient((u.value, v.value))
    sigma = jnp.einsum("hwio,hwi,o->", kernel, right, left)
    y = conv.conv2d(
        x.astype(self.dtype), (kernel / sigma).astype(self.dtype),
        stride=self.stride, padding=k // 2)
    if self.use_bias:
      bias = self.param("bias", nn.initializers.zeros, (self.features,))
      y = y + bias.astype(self.dtype)
    return y


def _unit(x):
  return x / jnp.maximum(jnp.sqrt(jnp.sum(jnp.square(x))), 1e-12)
