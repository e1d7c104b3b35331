"""Both forms of a dilated convolution for CPUs against XLA's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.cpu import dilated
from semseg_jax.cpu import target
from semseg_jax.ops import dilated_conv

# (height, width), kernel, dilation, outputs: maps that the dilation does not
# divide, taps that miss the map, single cells, few and many outputs.
_CASES = [
    ((9, 12), (3, 3), 2, 5), ((5, 3), (3, 3), 4, 1), ((7, 8), (3, 1), 3, 4),
    ((1, 1), (3, 3), 6, 3), ((6, 11), (5, 3), 2, 2), ((4, 9), (1, 1), 7, 4),
    ((8, 8), (3, 3), 1, 2)]


@pytest.mark.parametrize(("size", "taps", "dilation", "outputs"), _CASES)
@pytest.mark.parametrize("form", [dilated.by_taps, dilated.by_phases])
def test_forms_agree(form, size, taps, dilation, outputs):
  a, b = jax.random.split(jax.random.key(0))
  x = jax.random.normal(a, (2, *size, 4))
  kernel = jax.random.normal(b, (*taps, 4, outputs))

  def plain(x, kernel, dilation):
    with target.compiling_for("gpu"):
      return dilated_conv.dilated_conv(x, kernel, dilation)

  @jax.jit
  def both(x, kernel):
    def value(x, kernel, f):
      y = f(x, kernel, dilation)
      return jnp.sum(jnp.sin(y)), y

    return [jax.value_and_grad(value, (0, 1), has_aux=True)(
        x, kernel, f) for f in (form, plain)]

  result, expected = both(x, kernel)
  assert result[0][1].shape == (2, *size, outputs)
  for got, want in zip(
      jax.tree.leaves(result), jax.tree.leaves(expected), strict=True):
    np.testing.assert_allclose(got, want, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize(("size", "channels", "outputs", "form"), [
    (16, 64, 4, "by_taps"), (4, 8, 8, "by_taps"),
    (64, 256, 256, "by_phases"), (16, 64, 64, None)])
def test_the_form_is_chosen_by_the_sizes(
    monkeypatch, size, channels, outputs, form):
  taken = []
  for name in ("by_taps", "by_phases"):
    monkeypatch.setattr(dilated, name, lambda *_, n=name: taken.append(n))
  result = dilated.correlate(
      jax.ShapeDtypeStruct((1, size, size, channels), jnp.float32),
      jax.ShapeDtypeStruct((3, 3, channels, outputs), jnp.float32), 4)
  assert taken == [form] * bool(form)
  assert (result is NotImplemented) == (form is None)
