"""Phases are compiled side by side, and what goes wrong is told."""

import json
import threading

import numpy as np
import pytest

from semseg_jax.training import phases


class Lowered:
  """A program whose compilation waits for another one's."""

  def __init__(self, name, meeting):
    self._name, self._meeting = name, meeting

  def compile(self):
    self._meeting.wait(20)
    if self._name == "broken":
      raise RuntimeError("out of registers")
    return self

  def cost_analysis(self):
    return {"flops": 7.0}

  def __call__(self, *args):
    return self._name


@pytest.fixture
def compile_names(monkeypatch, tmp_path):
  """A function of names: the `Phases` that have compiled them, two at once."""
  meeting, lowered = threading.Barrier(2), []

  def lower(stage, name, *args):
    lowered.append(name)
    return Lowered(name, meeting)

  monkeypatch.setattr(phases, "lower", lower)
  monkeypatch.setattr(phases, "_compilers", lambda: 2)

  def run(*names):
    found = phases.Phases(None, tmp_path / "compile.json", None, primary=True)
    batch = {"x": np.zeros(3)}
    found.compile(names, None, None, batch, None)
    # In the order of the names, and not again.
    assert [found.run(n, None, None, batch, None, 0) for n in names] == lowered
    assert tuple(lowered) == names
    return json.loads((tmp_path / "compile.json").read_text())
  return run


def test_phases_are_compiled_side_by_side(compile_names):
  record = compile_names("a", "b")
  assert sorted(record) == ["a", "b"]
  assert all(x["flops"] == 7.0 and x["seconds"] >= 0 for x in record.values())


def test_what_fails_in_a_compilation_is_raised(compile_names):
  with pytest.raises(RuntimeError, match="out of registers"):
    compile_names("a", "broken")
