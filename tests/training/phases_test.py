"""The next phase is traced while one is compiled; what goes wrong is told."""

import json
import threading

import jax
import numpy as np
import pytest

from semseg_jax.training import phases


class Lowered:
  """A program whose compilation waits until `traced` programs are."""

  def __init__(self, name, traced):
    self._name, self._traced = name, traced

  def compile(self):
    assert self._traced.wait(20)
    if self._name == "broken":
      raise RuntimeError("out of registers")
    return self

  def cost_analysis(self):
    return {"flops": 7.0}

  def __call__(self, *args):
    return self._name


@pytest.fixture
def compile_names(monkeypatch, tmp_path):
  """A function of names: compiles them; the last is traced before the first."""

  def run(*names):
    lowered, traced = [], threading.Event()

    def lower(stage, name, *args):
      lowered.append(name)
      if name == names[-1]:
        traced.set()
      return Lowered(name, traced)

    monkeypatch.setattr(phases, "lower", lower)
    compiled = phases.Phases(
        None, tmp_path / "compile.json", None, primary=True)
    batch = {"x": np.zeros(3)}
    compiled.compile(names, None, None, batch, None)
    # In the order of the names, and not again.
    assert lowered == [
        compiled.run(n, None, None, batch, None, 0) for n in names]
    assert tuple(lowered) == names
    return json.loads((tmp_path / "compile.json").read_text())
  return run


def test_tracing_goes_on_while_a_phase_is_compiled(compile_names):
  record = compile_names("a", "b")
  assert list(record) == ["a", "b"]
  assert all(x["flops"] == 7.0 and x["seconds"] >= 0 for x in record.values())


def test_what_fails_in_a_compilation_is_raised(compile_names):
  with pytest.raises(RuntimeError, match="out of registers"):
    compile_names("a", "broken")


class Counted:
  def __init__(self, count):
    self._count = count

  def cost_analysis(self):
    return self._count


def test_operations_on_a_gpu_are_counted_before_compilation(monkeypatch):
  lowered, compiled = Counted({"flops": 8.0}), Counted({"flops": 2.0})
  assert phases.flops(lowered, compiled) == 2.0
  monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
  assert phases.flops(lowered, compiled) == 8.0
  assert phases.flops(Counted(None), compiled) is None


def test_a_program_is_counted_where_its_plugin_does_not():
  lowered = jax.jit(lambda x: x @ x).lower(np.ones((16, 16), np.float32))

  class OfPlugin:
    compiler_ir = staticmethod(lowered.compiler_ir)

    def cost_analysis(self):
      return None

  assert phases.lowered_flops(lowered) == 2 * 16 ** 3
  assert phases.lowered_flops(OfPlugin()) == 2 * 16 ** 3
