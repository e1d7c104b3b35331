"""Schedules against values worked out by hand and their own properties."""

import math

from hypothesis import given
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.ops import schedules


def test_ramp_by_hand():
  t = np.array([0, 5, 10, 50, 75, 87.5, 100])
  half = 0.5 * (1 - math.cos(math.pi * 0.5))
  np.testing.assert_allclose(
      schedules.ramp(t, 100, 0.1, rampdown=0.25, rampup=0.1),
      [0, 0.05, 0.1, 0.1, 0.1, 0.1 * half, 0], rtol=1e-12, atol=1e-17)


def test_cosine_window_by_hand():
  rate = schedules.cosine_window(1.0, 0.2, 10, 14)
  last = 0.2 + 0.4 * (1 + math.cos(math.pi * 0.75))
  np.testing.assert_allclose(
      rate(np.array([0, 10, 12, 13, 14, 1000])),
      [1, 1, 0.6, last, last, last], rtol=1e-12)
  with pytest.raises(ValueError, match="start 5, end 5"):
    schedules.cosine_window(1.0, 0.2, 5, 5)


@pytest.mark.parametrize("schedule", [
    lambda step: schedules.ramp(step, 20, 0.1),
    schedules.cosine_window(1e-3, 1e-5, 5, 15),
])
def test_traced_equals_numpy(schedule):
  steps = np.arange(21)
  traced = jax.jit(jax.vmap(schedule))(jnp.asarray(steps))
  np.testing.assert_allclose(traced, schedule(steps), rtol=1e-4, atol=1e-7)


def test_numpy_stays_float64():
  assert schedules.ramp(np.arange(3), 7).dtype == np.float64
  assert schedules.cosine_window(1.0, 0.0, 0, 3)(np.arange(3)).dtype == (
      np.float64)


@given(st.integers(1, 10**6), st.floats(0, 1), st.floats(0.01, 1),
       st.floats(0.01, 1))
def test_ramp_is_bounded(total, t, down, up):
  value = schedules.ramp(t * total, total, 1.0, down, up)
  assert 0 <= value <= 1


def test_plateau_lowers_the_rate_and_starts_again():
  state = schedules.plateau_start(1.0)
  rates = []
  for loss in (3.0, 2.0, 2.0, 2.0, 1.9999, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0):
    state = schedules.plateau(
        state, loss, patience=2, factor=0.1, floor=0.05)
    rates.append(round(float(state.rate), 6))
  # The third epoch without a better loss lowers it; 1.9999 is not better.
  assert rates == [1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05]
  assert float(state.best) == 1.0
