"""Convolutions for CPUs against XLA's own, to the second order."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.cpu import conv as cpu_conv
from semseg_jax.cpu import target
from semseg_jax.ops import conv
from semseg_jax.ops import resample

KEY = jax.random.key(0)

# Name -> (input size, kernel size, function of x, kernel).
CASES = {
    "same": (6, 3, lambda x, k: conv.conv2d(x, k, padding=1)),
    "growing": (3, 4, lambda x, k: conv.conv2d(x, k, padding=2)),
    "kernel_above_input": (2, 4, lambda x, k: conv.conv2d(x, k, padding=2)),
    "lopsided": (
        5, 3, lambda x, k: conv.conv2d(x, k, padding=((0, 2), (1, 0)))),
    "wide_padding": (3, 2, lambda x, k: conv.conv2d(x, k, padding=3)),
    "pointwise": (4, 1, conv.conv2d),
    "stride_2_even_kernel": (
        7, 4, lambda x, k: conv.conv2d(x, k, stride=2, padding=2)),
    "stride_2_odd_kernel": (
        6, 3, lambda x, k: conv.conv2d(x, k, stride=2, padding=1)),
    "stride_3": (8, 2, lambda x, k: conv.conv2d(x, k, stride=3, padding=1)),
    "up": (4, 3, conv.upsample_conv),
    "down": (6, 3, conv.downsample_conv),
    "down_odd": (7, 3, conv.downsample_conv),
    "down_1x1": (6, 1, conv.downsample_conv),
}


def inputs(name, ci=3, co=2):
  size, k, f = CASES[name]
  a, b = jax.random.split(KEY)
  x = jax.random.normal(a, (2, size, size + 1, ci))
  return x, jax.random.normal(b, (k, k, ci, co)) / k, f


def sloped(f):
  """Value and gradients."""
  score = lambda x, w: jnp.sum(jnp.sin(f(x, w)))
  return lambda x, w: (f(x, w), jax.grad(score, (0, 1))(x, w))


def curved(f):
  """Gradients of the squared norms of both gradients."""
  def penalty(x, w):
    _, gradients = sloped(f)(x, w)
    return sum(jnp.sum(g ** 2) for g in gradients)
  return jax.grad(penalty, (0, 1))


def compiled(f, platform, *arguments):
  """`f` as it is written for a platform, compiled for this one."""
  return lowered(f, platform, *arguments).compile()


def lowered(f, platform, *arguments):
  with target.compiling_for(platform):
    return jax.jit(f).lower(*arguments)


def assert_agree(make, x, w, f):
  fast, plain = (compiled(make(f), platform, x, w)(x, w)
                 for platform in ("cpu", "gpu"))
  for a, b in zip(jax.tree.leaves(fast), jax.tree.leaves(plain), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("name", CASES)
def test_forms_agree(name):
  assert_agree(sloped, *inputs(name))


@pytest.mark.parametrize(
    "name", ["growing", "kernel_above_input", "stride_2_even_kernel", "up",
             "down"])
def test_forms_agree_to_second_order(name):
  assert_agree(curved, *inputs(name))


@pytest.mark.parametrize("name", ["kernel_above_input", "lopsided", "up"])
def test_few_positions_of_many_channels_agree(name, monkeypatch):
  """The map's gradient is spread by one product there."""
  spread, taken = cpu_conv._spread, []
  monkeypatch.setattr(
      cpu_conv, "_spread", lambda *args: taken.append(1) or spread(*args))
  x, w, f = inputs(name, ci=2, co=32)
  assert_agree(sloped, x[:1], w, f)
  assert taken


@pytest.mark.parametrize(
    "name", ["stride_2_odd_kernel", "stride_2_even_kernel", "down"])
def test_kernel_gradients_by_taps_agree(name, monkeypatch):
  used = []
  by_taps = cpu_conv._weight_gradient_by_taps
  monkeypatch.setattr(cpu_conv, "_WIDE", 2)
  monkeypatch.setattr(
      cpu_conv, "_weight_gradient_by_taps",
      lambda *args: used.append(1) or by_taps(*args))
  assert_agree(curved, *inputs(name))
  assert used


@pytest.mark.parametrize("name", CASES)
def test_fast_form_keeps_off_the_slow_path(name):
  # XLA on CPU is slow where the kernel is larger than the unpadded input.
  x, w, f = inputs(name)
  text = lowered(curved(f), "cpu", x, w).as_text(dialect="hlo")
  assert list(slow_convolutions(text)) == []


@pytest.mark.parametrize("name", ["growing", "kernel_above_input"])
def test_plain_form_is_on_the_slow_path(name):
  # Else the test above proves nothing.
  x, w, f = inputs(name)
  text = lowered(curved(f), "gpu", x, w).as_text(dialect="hlo")
  assert list(slow_convolutions(text))


def slow_convolutions(hlo):
  """Lines of `hlo` that convolve with a kernel larger than the input."""
  shapes = dict(re.findall(r"(\S+) = f32\[([\d,]*)\]", hlo))
  pattern = r"convolution\((\S+), (\S+)\).*dim_labels=(\w+)_(\w+)->"
  convolutions = re.findall(pattern, hlo)
  assert convolutions or "convolution" not in hlo
  for left, right, left_dims, right_dims in convolutions:
    a = [int(n) for n in shapes[left].split(",")]
    b = [int(n) for n in shapes[right].split(",")]
    if any(b[right_dims.index(d)] > a[left_dims.index(d)] for d in "01"):
      yield left, right


@pytest.mark.parametrize("size", [1, 3, 5])
def test_upsample_conv_is_its_definition(size):
  x = jax.random.normal(KEY, (1, 4, 5, 2))
  w = jax.random.normal(KEY, (size, size, 2, 2))
  full = np.zeros((1, 2 * 3 + size, 2 * 4 + size, 2), np.float32)
  for i in range(size):
    for j in range(size):
      full[:, i:i + 7:2, j:j + 9:2] += np.asarray(x) @ np.asarray(w[i, j])
  taps = np.array([1, 3, 3, 1], np.float32) / 4
  extra = 2 * 4 - (full.shape[1] - 3)  # Samples that padding must add.
  pad = ((extra + 1) // 2, extra // 2)
  expected = resample.upfirdn2d(full, taps, pad=pad)
  assert expected.shape == (1, 8, 10, 2)
  np.testing.assert_allclose(
      conv.upsample_conv(x, w), expected, rtol=1e-4, atol=1e-4)


def test_bfloat16_stays_bfloat16():
  x, w, f = inputs("up")
  y = f(x.astype(jnp.bfloat16), w.astype(jnp.bfloat16))
  assert y.dtype == jnp.bfloat16
  with target.compiling_for("gpu"):
    expected = f(x, w)
  np.testing.assert_allclose(y.astype(jnp.float32), expected, atol=0.1)
