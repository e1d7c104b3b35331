"""The benchmark of the input runs; speed is not tested."""

from absl import flags
from absl.testing import flagsaver

from benchmarks import input as input_benchmark


def test_table_has_every_case_and_the_step(capsys, monkeypatch):
  if not flags.FLAGS.is_parsed():
    flags.FLAGS(["test"])
  measure = input_benchmark.measure

  def measured(case, *args):
    images, core_images = measure(case, *args)
    assert images > 0
    assert core_images > 0
    return (30.0, 80.0) if case.memory else (20.0, 16.0)

  monkeypatch.setattr(input_benchmark, "measure", measured)
  with flagsaver.flagsaver(
      files=5, per_batch=2, reads=2, step_ms=100.0, step_images=4):
    input_benchmark.main(["input"])
  out = capsys.readouterr().out
  rows = [line for line in out.splitlines()
          if line.startswith(("| faces", "| scenes"))]
  assert len(rows) == len(input_benchmark.cases())
  assert "takes 40 images a second" in out  # 4 in 100 ms
  for case, row in zip(input_benchmark.cases(), rows, strict=True):
    assert row.endswith("| memory | 30 | 80 | 0.50 |" if case.memory
                        else "| disk | 20 | 16 | 2.50 |")
