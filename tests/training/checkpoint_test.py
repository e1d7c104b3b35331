"""Checkpoints apart from the loop: parts, keys, errors."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from semseg_jax.training import checkpoint


@pytest.fixture
def state():
  params = {"conv": {"kernel": jnp.arange(6.0).reshape(2, 3)}}
  return {"ema": params, "params": jax.tree.map(lambda x: x + 1, params),
          "opt": optax.adam(0.1).init(params), "key": jax.random.key(3)}


def abstract(tree):
  sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
  return jax.tree.map(lambda x: jax.ShapeDtypeStruct(
      x.shape, x.dtype, sharding=sharding), tree)


def test_round_trip_with_tuples_and_keys(state, tmp_path):
  with checkpoint.Checkpoints(tmp_path) as c:
    assert c.restore(abstract(state)) is None
    c.save(7, state, {"note": [1.5, "x"]})
  with checkpoint.Checkpoints(tmp_path) as c:
    step, restored, meta = c.restore(abstract(state))
  assert (step, meta) == (7, {"note": [1.5, "x"]})
  assert jax.tree.structure(restored) == jax.tree.structure(state)
  np.testing.assert_array_equal(
      jax.random.key_data(restored.pop("key")),
      jax.random.key_data(state.pop("key")))
  jax.tree.map(np.testing.assert_array_equal, restored, state)


def test_saved_arrays_may_be_donated(tmp_path):
  state = {"a": jnp.arange(1e6)}
  spoil = jax.jit(lambda s: {"a": s["a"] * 0 - 1}, donate_argnums=0)
  with checkpoint.Checkpoints(tmp_path) as c:
    c.save(1, state, {})
    state = spoil(state)
  got = checkpoint.restore_subtree(tmp_path, abstract(state))
  np.testing.assert_array_equal(got["a"], np.arange(1e6))


def test_a_score_that_is_cut_off_is_named(tmp_path):
  with checkpoint.Checkpoints(tmp_path) as c:
    c.save(1, {"a": jnp.zeros(2)}, {}, score=0.5)
  path = tmp_path / "1/metrics/metrics"
  path.write_text("")
  with pytest.raises(ValueError, match=f"{path} is damaged"):
    checkpoint.best(tmp_path)


def test_subtree(state, tmp_path):
  with checkpoint.Checkpoints(tmp_path) as c:
    c.save(1, state, {}, score=0.5)
    c.save(2, state | {"ema": jax.tree.map(lambda x: -x, state["ema"])}, {},
           score=0.4)
  part = {"ema": abstract(state["ema"])}
  assert checkpoint.exists(tmp_path)
  newest = checkpoint.restore_subtree(tmp_path, part)
  best = checkpoint.restore_subtree(
      tmp_path, part, step=checkpoint.best(tmp_path))
  assert newest.keys() == {"ema"}
  kernel = state["ema"]["conv"]["kernel"]
  np.testing.assert_array_equal(newest["ema"]["conv"]["kernel"], -kernel)
  np.testing.assert_array_equal(best["ema"]["conv"]["kernel"], kernel)
  first = checkpoint.restore_subtree(tmp_path, part, step=1)
  np.testing.assert_array_equal(first["ema"]["conv"]["kernel"], kernel)


def test_one_that_a_training_deletes_meanwhile(state, tmp_path, monkeypatch):
  with checkpoint.Checkpoints(tmp_path) as checkpoints:
    for step in (1, 2):
      checkpoints.save(step, state, {}, score=float(step))
  read = checkpoint._saved_score

  def deleted(folder):
    if folder.name == "2":
      shutil.rmtree(folder)
    return read(folder)

  monkeypatch.setattr(checkpoint, "_saved_score", deleted)
  assert checkpoint.best(tmp_path) == 1


def test_subtree_errors(state, tmp_path):
  part = {"ema": {"conv": {"kernel": jax.ShapeDtypeStruct((2, 4), "float32")}}}
  assert not checkpoint.exists(tmp_path / "none")
  with pytest.raises(FileNotFoundError, match="no checkpoint.*none"):
    checkpoint.restore_subtree(tmp_path / "none", part)
  with checkpoint.Checkpoints(tmp_path) as c:
    c.save(1, state, {})
  with pytest.raises(
      checkpoint.StateMismatchError,
      match=r"ema/conv/kernel: \(2, 3\) in the checkpoint, \(2, 4\) in this"):
    checkpoint.restore_subtree(tmp_path, part)
  with pytest.raises(checkpoint.StateMismatchError,
                     match="average: absent in the checkpoint"):
    checkpoint.restore_subtree(
        tmp_path, {"average": jax.ShapeDtypeStruct((), "float32")})
  with pytest.raises(FileNotFoundError, match="no checkpoint 5"):
    checkpoint.restore_subtree(tmp_path, part, step=5)


def test_leaf_missing_from_the_checkpoint(state, tmp_path):
  with checkpoint.Checkpoints(tmp_path) as c:
    c.save(1, state, {})
  more = state | {"bias": jnp.zeros(2)}
  with checkpoint.Checkpoints(tmp_path) as c:
    with pytest.raises(checkpoint.StateMismatchError,
                       match=r"bias: absent in the checkpoint, \(2,\)"):
      c.restore(abstract(more))
