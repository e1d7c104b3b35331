"""Chunk files: what counts as done, and who computes what."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from semseg_jax.training import chunks


def test_round_trip(tmp_path):
  store = chunks.ChunkStore(tmp_path / "a/b", "f")
  assert not store.done(0)
  arrays = {"latents": np.ones((2, 3), np.float32), "count": np.array(7)}
  store.save(0, arrays)
  loaded = chunks.ChunkStore(tmp_path / "a/b", "f").load(0)
  assert loaded.keys() == arrays.keys()
  for name, value in arrays.items():
    np.testing.assert_array_equal(loaded[name], value)
    assert loaded[name].dtype == value.dtype
  assert not store.done(1)
  with pytest.raises(FileNotFoundError, match="chunk 1"):
    store.load(1)


def test_stale_chunks_are_not_done(tmp_path, caplog):
  for k in range(2):
    chunks.ChunkStore(tmp_path, "old").save(k, {"a": np.zeros(1)})
  store = chunks.ChunkStore(tmp_path, "new")
  assert not store.done(0)
  assert not store.done(1)
  assert caplog.text.count("other settings or checkpoints") == 1
  store.save(0, {"a": np.ones(1)})
  assert store.load(0)["a"] == 1


@pytest.mark.parametrize("size", [0, 10, 200])
def test_damaged_chunk_is_not_done(tmp_path, caplog, size):
  store = chunks.ChunkStore(tmp_path, "f")
  store.save(3, {"a": np.arange(1000)})
  path = tmp_path / "chunk_00003.npz"
  path.write_bytes(path.read_bytes()[:size])
  assert not store.done(3)
  assert "unreadable" in caplog.text


def test_fingerprint_depends_on_values_only():
  a = chunks.fingerprint({"steps": 10, "names": ["a", "b"]})
  assert a == chunks.fingerprint({"names": ["a", "b"], "steps": 10})
  assert a != chunks.fingerprint({"names": ["a", "b"], "steps": 11})


@given(st.integers(0, 50), st.integers(1, 9))
def test_every_chunk_has_one_process(num_chunks, num_processes):
  given_out = [c for p in range(num_processes)
               for c in chunks.assigned(num_chunks, p, num_processes)]
  assert sorted(given_out) == list(range(num_chunks))


def test_unknown_process():
  with pytest.raises(ValueError, match="process 2 is not one of 2"):
    chunks.assigned(5, 2, 2)
