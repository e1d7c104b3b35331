"""The benchmarks run and measure what they say; speed is not tested."""

from absl import flags
from absl.testing import flagsaver
import jax
import numpy as np
import pytest

from benchmarks import compile as compilation
from benchmarks import hypercolumn
from benchmarks import timing
from benchmarks import train_step
from semseg_jax.ops import modulated_conv


@pytest.mark.parametrize("move", ["", "up", "down"])
def test_formulations_agree(move):
  keys = jax.random.split(jax.random.key(0), 3)
  x = jax.random.normal(keys[0], (2, 6, 6, 3))
  kernel = jax.random.normal(keys[1], (3, 3, 3, 4))
  style = 1 + jax.random.normal(keys[2], (2, 3))
  kwargs = {move: True} if move else {}
  outputs = {}
  for form in ("phases", "plain", "per_sample"):
    with train_step.formulated(form):
      outputs[form] = modulated_conv.modulated_conv(x, kernel, style, **kwargs)
  for y in outputs.values():
    np.testing.assert_allclose(y, outputs["phases"], rtol=1e-4, atol=1e-5)


def test_table_has_every_phase(capsys, monkeypatch):
  monkeypatch.setenv("XLA_FLAGS", "")  # JAX runs already
  if not flags.FLAGS.is_parsed():
    flags.FLAGS(["test"])
  with flagsaver.flagsaver(
      size=16, width=8, batch=4, classes=3, steps=1, stage=["supervised"],
      matmul=64):
    train_step.main(["train_step"])
  rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.split("\n")
          if line.startswith("| supervised")]
  assert len(rows) == 1
  # U-Net of two levels, 16 px, batch 4: a count, not a measurement.
  assert 0.001 < float(rows[0][3]) < 0.1


def test_table_of_formulations(capsys):
  if not flags.FLAGS.is_parsed():
    flags.FLAGS(["test"])
  c = train_step.config()
  seconds = {"d": 4.0, "r1": 16.0, "g": 2.0, "path": 4.0, "ema": 0.0}
  times, counts = {}, {}
  for form, factor in (("phases", 1), ("plain", 3)):
    for phase, time in seconds.items():
      case = ("gan", phase, form)
      times[case] = timing.Timing(factor * time + 1e-3, 0.0, 1)
      counts[case] = {"flops": 1e9, "seconds": 1.0}
  train_step.report(c, "phases", times, counts, peak=1e9)
  out = capsys.readouterr().out
  assert "| gan | d | 4001.0 | 1.00 | 0.2 | 25% | 1.0 |" in out
  assert "takes 8003.3 ms" in out  # 4 + 16 / 16 + 2 + 4 / 4 and 1 ms each
  assert "| plain | 3.00 | 3.00 | 3.00 | 3.00 | 1.00 | 3.00 |" in out


def test_hypercolumns_agree_and_take_less_memory():
  rows = hypercolumn.measure(pixels=32, widest=128, side=32, rounds=1)
  assert [(r["kernel"], r["program"], r["form"]) for r in rows] == [
      (k, p, f) for k in (1, 3) for p in ("value", "gradient")
      for f in ("plain", "projected")]
  for plain, projected in zip(rows[::2], rows[1::2], strict=True):
    assert plain["gap"] < 1e-5
    assert projected["bytes"] > 0
    assert projected["flops"] < plain["flops"]


@pytest.mark.slow
def test_every_stage_has_its_phases(tmp_path):
  if not flags.FLAGS.is_parsed():
    flags.FLAGS(["test"])
  with flagsaver.flagsaver(size=16, width=8, batch=4):
    c = train_step.config()
    phases = {name: [x.phase for x in train_step.make_cases(
        c, name, ["plain"], tmp_path)] for name in ("gan", "encoder")}
  assert phases == {"gan": ["d", "r1", "g", "path", "ema"],
                    "encoder": ["unlabeled", "labeled"]}


def test_compilations_are_timed():
  if not flags.FLAGS.is_parsed():
    flags.FLAGS(["test"])
  with flagsaver.flagsaver(size=16, width=8, batch=4, classes=3):
    seconds, total = compilation.measure("supervised")
  assert list(seconds) == ["step"]
  assert 0 < sum(seconds["step"]) <= total
