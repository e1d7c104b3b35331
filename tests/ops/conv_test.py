"""Convolutions off the CPU: derivatives that libraries for GPUs know."""

import jax
from jax import lax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.cpu import target
from semseg_jax.ops import conv
from semseg_jax.ops import resample

_DIMS = ("NHWC", "HWIO", "NHWC")


def plain_up(x, kernel):
  k = kernel.shape[0]
  y = lax.conv_general_dilated(
      x, jnp.flip(kernel, (0, 1)), (1, 1), ((k - 1, k - 1),) * 2,
      lhs_dilation=(2, 2), dimension_numbers=_DIMS)
  return resample.blur(y, (1, 1), gain=4.0)


def plain_strided(x, kernel):
  return lax.conv_general_dilated(
      x, kernel, (2, 2), ((1, 0), (2, 1)), dimension_numbers=_DIMS)


def strided(x, kernel):
  return conv.conv2d(x, kernel, stride=2, padding=((1, 0), (2, 1)))


def penalty(function):
  """Has gradients through gradients, as R1 and the path length have."""
  def loss(x, kernel):
    y, back = jax.vjp(function, x, kernel)
    return jnp.square(y).sum() + sum(
        jnp.square(g).sum() for g in back(jnp.sin(y)))
  return loss


def operands(size):
  rng = np.random.default_rng(0)
  return (rng.standard_normal((2, *size, 3), np.float32),
          rng.standard_normal((3, 3, 3, 4), np.float32))


@pytest.mark.parametrize(("own", "plain"), [
    (conv.upsample_conv, plain_up), (strided, plain_strided)])
@pytest.mark.parametrize("size", [(8, 8), (9, 6)])
def test_derivatives_are_those_of_jax(own, plain, size):
  both = []
  with target.compiling_for("gpu"):
    for function in own, plain:
      both.append(jax.value_and_grad(penalty(function), (0, 1))(
          *operands(size)))
  for a, b in zip(*map(jax.tree.leaves, both), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max())


def convolutions(jaxpr):
  """(dilation of the map, size of the kernel) of all in a program."""
  for eqn in jaxpr.eqns:
    if eqn.primitive.name == "conv_general_dilated":
      spec = eqn.params["dimension_numbers"].rhs_spec
      shape = eqn.invars[1].aval.shape
      yield (max(eqn.params["lhs_dilation"]),
             max(shape[i] for i in spec[2:]))
    for inner in eqn.params.values():
      if hasattr(inner, "jaxpr"):
        yield from convolutions(inner.jaxpr)


@pytest.mark.parametrize(("own", "plain"), [
    (conv.upsample_conv, plain_up), (strided, plain_strided)])
def test_no_dilated_map_meets_a_kernel_as_large_as_a_map(own, plain):
  def worst(function):
    with target.compiling_for("gpu"):
      program = jax.make_jaxpr(jax.grad(penalty(function), (0, 1)))(
          *operands((16, 16)))
    return max(k for d, k in convolutions(program.jaxpr) if d > 1)
  assert worst(own) == 3
  assert worst(plain) > 3
