"""The benchmarks run and measure what they say; speed is not tested."""

import itertools

import pytest

from benchmarks import timing
from benchmarks import train_step
from configs.semantic_gan import toy_faces


def config(size=16):
  c = toy_faces.get_config("labels=20,smoke")
  c.data.size = size
  return c


def test_every_phase_has_a_row_and_the_mean_step_weighs_them():
  step, mean = train_step.measure(config(), "supervised", rounds=1, side=64)
  assert (step["phase"], mean["phase"]) == ("step", "mean step")
  assert step["batch"] == mean["batch"] == 4
  # U-Net of two levels, 16 px, batch 4: a count, not a measurement.
  assert 0.001 < step["gflop"] < 0.1
  assert mean["ms"] == step["ms"] > 0
  assert mean["images_per_second"] == pytest.approx(4e3 / mean["ms"])


def test_batches_are_doubled_from_what_was_asked():
  c = config()
  taken = itertools.islice(
      train_step.batches(c, "gan", ["2", "8"], True), 4)
  assert [x.gan.batch_size for x in taken] == [2, 8, 16, 32]
  own, = train_step.batches(c, "inversion", [], False)
  assert own.inversion.batch_size == c.inversion.batch_size
  # The evaluation's batch refers to the search's: it is not scaled twice.
  half, = train_step.batches(c, "inversion", ["2"], False)
  assert half.inversion.batch_size == half.evaluation.batch_size == 2


def test_what_does_not_fit_ends_the_doubling(monkeypatch):
  def measure(c, name, rounds, side, clock):
    assert clock is timing.processor_seconds_of
    if c.gan.batch_size > 8:
      raise train_step.jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: of 1 G")
    return [{"batch": c.gan.batch_size}]

  monkeypatch.setattr(train_step, "measure", measure)
  rows = list(train_step.rows_of(
      config(), "gan", ["4"], True, 1, 64, timing.processor_seconds_of))
  assert [r["batch"] for r in rows] == [4, 8, 16]
  assert rows[-1]["error"] == "does not fit"


@pytest.mark.slow
def test_every_stage_has_its_phases():
  names = {name: [r["phase"] for r in train_step.measure(
      config(), name, rounds=0, side=64)]
           for name in ("gan", "encoder", "inversion")}
  assert names == {"gan": ["d", "r1", "g", "path", "ema"],
                   "encoder": ["unlabeled", "labeled"],
                   "inversion": ["search"]}
