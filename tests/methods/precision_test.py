"""bfloat16 against float32: the same loss curves, float32 where it matters.

With -rP the largest difference of each curve is printed (docs/clusters.md).
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.methods import gan
from semseg_jax.methods import supervised


def train(module, config, batch, steps):
  """Metrics of every step, and the last state; all phases in one program."""
  stage = module.make(config, None)

  @jax.jit
  def iteration(state, batch, key):
    metrics = {}
    for i, phase in enumerate(stage.phases(1)):
      state, new = stage.train_step(
          state, {}, batch, stage.rngs(jax.random.fold_in(key, i), phase),
          phase=phase)
      metrics |= new
    return state, metrics

  state = jax.jit(stage.init)(jax.random.key(0), {})
  history = []
  for step in range(steps):
    state, metrics = iteration(state, batch, jax.random.key(step))
    history.append(metrics)
  stacked = {k: np.array([m[k] for m in history]) for k in history[0]}
  return stacked, state, history


def assert_float32(tree):
  for path, x in jax.tree_util.tree_leaves_with_path(tree):
    if jnp.issubdtype(x.dtype, jnp.inexact):
      assert x.dtype == jnp.float32, jax.tree_util.keystr(path)


@pytest.mark.parametrize("module", [supervised, gan])
def test_state_and_metrics_are_float32(toy_config, trace, module):
  config = toy_config(dtype="bfloat16")
  assert_float32(trace(module.make(config, None), config))


@pytest.mark.parametrize(("module", "steps", "names", "tolerance"), [
    (supervised, 40, ("loss",), 0.05),
    pytest.param(gan, 12, ("dr/loss", "dm/loss", "g/loss"), 0.1,
                 marks=pytest.mark.slow)])
def test_loss_curves_agree(
    toy_config, toy_batch, module, steps, names, tolerance):
  curves = {}
  for dtype in ("float32", "bfloat16"):
    config = toy_config(dtype=dtype)
    curves[dtype], state, metrics = train(
        module, config, toy_batch(config), steps)
    # Parameters, moments, statistics of normalization and losses.
    assert_float32((state, metrics))
  for name in names:
    full, half = (curves[d][name] for d in ("float32", "bfloat16"))
    assert (full != half).any(), "bfloat16 was not used"
    print(f"{name}: float32 from {full[0]:.4f} to {full[-1]:.4f}, bfloat16 to "
          f"{half[-1]:.4f}; largest difference {abs(half - full).max():.4f}")
    np.testing.assert_allclose(half, full, rtol=tolerance, atol=tolerance,
                               err_msg=name)
  if module is supervised:  # it learns, in either
    assert curves["bfloat16"]["loss"][-1] < curves["bfloat16"]["loss"][0]
