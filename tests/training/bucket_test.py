"""What a run writes into a bucket, on a stand-in that behaves like GCS.

Checkpoints' arrays are not part of this: TensorStore has its own client.
"""

import json

from etils import epath
import fsspec
from fsspec.implementations import memory
import numpy as np
import pytest

from semseg_jax.training import checkpoint
from semseg_jax.training import chunks
from semseg_jax.training import run_dir
from semseg_jax.training import writers


class Bucket(memory.MemoryFileSystem):
  """Objects in memory; opening one to append overwrites it, as gcsfs does."""
  protocol = ("gcs", "gs")
  store = {}
  pseudo_dirs = [""]

  @classmethod
  def _strip_protocol(cls, path):
    return super()._strip_protocol(str(path).replace("gs://", "memory://"))

  def _open(self, path, mode="rb", **options):
    return super()._open(path, mode=mode.replace("a", "w"), **options)


@pytest.fixture
def bucket(monkeypatch):
  fsspec.register_implementation("gcs", Bucket, clobber=True)
  monkeypatch.setattr(Bucket, "store", {})
  monkeypatch.setattr(Bucket, "pseudo_dirs", [""])
  return epath.Path("gs://bucket/run")


def test_lines_of_metrics_survive(bucket):
  path = bucket / "metrics.jsonl"
  steps = lambda: [x["step"] for x in writers.read_metrics(path)]
  bucket.mkdir(parents=True)
  file = writers.MetricsFile(path, first_step=0)
  for step in (1, 2, 3):
    file.write(step, {"loss": 0.5})
    assert steps()[-1] == step  # at once: a killed run keeps it
  file.close()
  again = writers.MetricsFile(path, first_step=2)
  assert steps() == [1, 2]
  again.write(3, {"loss": 0.25})
  assert steps() == [1, 2, 3]


def test_a_runs_folder(bucket):
  config = {"gan": {"steps": 3, "batch_size": 4}}
  folder = run_dir.prepare(bucket, config, {})
  assert str(folder) == "gs://bucket/run"
  run_dir.prepare(bucket, config, {})
  config["gan"]["batch_size"] = 8
  with pytest.raises(run_dir.ConfigMismatchError, match="batch_size"):
    run_dir.prepare(bucket, config, {})
  assert run_dir.done_step(bucket) is None
  run_dir.write_done(bucket, 3)
  assert run_dir.done_step(bucket) == 3


def test_checkpoints_lie_in_the_bucket(bucket):
  for step in (3, 6):
    (bucket / f"ckpt/{step}/metrics").mkdir(parents=True)
    (bucket / f"ckpt/{step}/metrics/metrics").write_text(
        json.dumps({"score": -step}))
  assert checkpoint.latest(bucket / "ckpt") == 6
  assert checkpoint.best(bucket / "ckpt") == 3


def test_chunks(bucket):
  store = chunks.ChunkStore(bucket / "chunks", "mine")
  assert not store.done(0)
  store.save(0, {"latents": np.arange(6)})
  np.testing.assert_array_equal(store.load(0)["latents"], np.arange(6))
  assert not chunks.ChunkStore(bucket / "chunks", "other").done(0)
