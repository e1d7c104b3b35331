"""The benchmark of the input runs; speed is not tested."""

from absl import flags
from absl.testing import flagsaver
import pytest

pytest.importorskip("semseg_jax.data.geometry")
from benchmarks import input as input_benchmark  # noqa: E402


def test_table_has_every_case_and_the_step(capsys):
  if not flags.FLAGS.is_parsed():
    flags.FLAGS(["test"])
  with flagsaver.flagsaver(
      files=5, per_batch=2, reads=2, step_ms=100.0, step_images=4):
    input_benchmark.main(["input"])
  out = capsys.readouterr().out
  rows = [line.split("|")[1:-1] for line in out.splitlines()
          if line.startswith(("| faces", "| scenes"))]
  assert len(rows) == len(input_benchmark.cases())
  assert "takes 40 images a second" in out
  for row in rows:
    wall, core, cores = (float(x) for x in row[2:])
    assert wall > 0
    assert cores == pytest.approx(40 / core, abs=0.01 + 20 / core ** 2)
