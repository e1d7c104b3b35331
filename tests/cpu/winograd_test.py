"""Winograd's form against XLA's convolution, and where it is chosen."""

import jax
from jax import lax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.cpu import target
from semseg_jax.cpu import winograd
from semseg_jax.ops import conv

_PARTS = ("correlate", "input_gradient", "weight_gradient")


def plain(x, kernel, pad):
  return lax.conv_general_dilated(
      x, kernel, (1, 1), ((pad, pad),) * 2,
      dimension_numbers=("NHWC", "HWIO", "NHWC"))


@pytest.mark.parametrize(("size", "pad"), [
    ((7, 10), 1), ((3, 4), 1), ((5, 6), 0), ((4, 5), 2)])
def test_is_a_convolution(size, pad):
  a, b, c = jax.random.split(jax.random.key(0), 3)
  x = jax.random.normal(a, (2, *size, 3))
  kernel = jax.random.normal(b, (3, 3, 3, 5))
  expected, gradient = jax.vjp(lambda x, k: plain(x, k, pad), x, kernel)
  g = jax.random.normal(c, expected.shape)
  of_map, of_kernel = gradient(g)
  got = winograd.correlate(x, kernel, pad)
  np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
  np.testing.assert_allclose(
      winograd.weight_gradient(x, g, pad), of_kernel, rtol=1e-4, atol=5e-4)
  np.testing.assert_allclose(
      winograd.input_gradient(g, kernel, pad), of_map, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("channels", "platform", "precision", "used"), [
    (256, "cpu", "default", set(_PARTS)), (128, "cpu", "default", set(_PARTS)),
    (64, "cpu", "default", set()), (256, "gpu", "default", set()),
    (256, "cpu", "highest", set())])
def test_wide_convolutions_use_it_at_every_order(
    monkeypatch, channels, platform, precision, used):
  calls = set()

  def watched(name):
    f = getattr(winograd, name)
    return lambda *args: (calls.add(name), f(*args))[1]

  for name in _PARTS:
    monkeypatch.setattr(winograd, name, watched(name))

  def penalty(x, w):
    y = lambda x, w: jnp.sum(conv.conv2d(x, w, padding=1) ** 2)
    return sum(jnp.sum(g ** 2) for g in jax.grad(y, (0, 1))(x, w))

  with (jax.default_matmul_precision(precision),
        target.compiling_for(platform)):
    jax.eval_shape(jax.grad(penalty, (0, 1)), *(
        jax.ShapeDtypeStruct(shape, jnp.float32) for shape in (
            (4, 16, 16, channels), (3, 3, channels, channels))))
  assert calls == used


@pytest.mark.parametrize("channels", [128, 256])
def test_wide_convolutions_agree_to_second_order(channels):
  a, b = jax.random.split(jax.random.key(1))
  x = jax.random.normal(a, (1, 32, 32, channels))
  w = jax.random.normal(b, (3, 3, channels, channels)) / 3 / channels ** 0.5

  def penalty(x, w):
    y = lambda x, w: jnp.sum(jnp.sin(conv.conv2d(x, w, padding=1)))
    return sum(jnp.sum(g ** 2) for g in jax.grad(y, (0, 1))(x, w))

  gradients = []
  for platform in ("cpu", "gpu"):
    with target.compiling_for(platform):  # else jit would take the first
      gradients.append(jax.jit(jax.grad(
          lambda *a: penalty(*a), (0, 1)))(x, w))
  for got, want in zip(*gradients, strict=True):
    scale = np.abs(want).max()
    np.testing.assert_allclose(got / scale, want / scale, atol=2e-5)
