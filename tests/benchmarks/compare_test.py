"""The comparison with the peers; speed is not tested."""

import json
import os
import pathlib
import shutil
import subprocess

import numpy as np
import pytest

from benchmarks import timing
from benchmarks.compare import agreement
from benchmarks.compare import isa
from benchmarks.compare import report
from benchmarks.compare import run
from benchmarks.compare import settings as settings_lib


def test_cases_take_turns_and_spread_is_that_of_quartiles():
  order = []
  values = iter([1.0, 10.0, 2.0, 20.0, 3.0, 30.0])
  cases = {n: lambda n=n: order.append(n) or n for n in "ab"}

  def clock(run):
    run()
    return next(values)

  timings = timing.interleave(cases, 3, clock=clock)
  assert order == list("abababab")
  assert timings["a"] == timing.Timing(2.0, 1.0, 3, 0.25)
  assert timings["b"].median == 20.0


def test_gaps_are_relative_to_the_largest_value():
  new = {"x": np.array([1.0, 4.1]), "only_first": np.zeros(2)}
  peer = {"x": np.array([1.0, 4.0]), "only_second": np.zeros(3)}
  assert agreement.gaps(new, peer) == {"x": pytest.approx(0.025)}
  assert agreement.verify(
      [new, new], [peer, peer], (0.03, 0.03)) == pytest.approx(0.025)


@pytest.mark.parametrize(("new", "peer", "text"), [
    ({"x": [1.0]}, {"x": [1.1]}, "run 1: 'x' differs"),
    ({"x": [np.nan]}, {"x": [1.0]}, "run 1: 'x' differs"),
    ({"x": [1.0]}, {"x": [1.0, 2.0]}, "'x' is"),
    ({"x": [1.0]}, {"y": [1.0]}, "no output in common")])
def test_disagreement_is_an_error(new, peer, text):
  with pytest.raises(ValueError, match=text):
    agreement.verify([new] * 2, [peer] * 2, (0.01, 0.02))


def test_second_run_may_differ_more():
  a, b = {"x": [1.0]}, {"x": [1.1]}
  agreement.verify([a, a], [a, b], (0.01, 0.2))
  with pytest.raises(ValueError, match="run 2"):
    agreement.verify([a, a], [a, b], (0.01, 0.02))


def test_tolerances_grow_with_rounding():
  cpu = agreement.tolerances("float32", "cpu")
  gpu = agreement.tolerances("float32", "NVIDIA H200")
  assert all(a < b for a, b in zip(cpu, gpu, strict=True))
  assert agreement.tolerances("bfloat16", "cpu")[0] > cpu[0]


def a_record(**changes):
  s = {"case": "gan", "size": 64, "batch": 4, "width": 512,
       "dtype": "float32"} | changes
  time = lambda m: {"median": m, "minimum": m, "rounds": 3, "spread": 0.01}
  return {
      "settings": s, "device": "cpu", "work": s["batch"], "flags": "none",
      "versions": ["jax 1", "torch 2"], "command": "python -m x",
      "seconds": {"ours": time(0.5), "original": time(1.5)},
      "peaks": {"ours": {"matmul": 4e11, "copy": 2e10},
                "best": {"matmul": 3e11, "copy": 2e10}},
      "flops": 2e9, "of_matmul": 0.5, "of_copy": None, "gap": 1e-5,
      "compile": [{"d": 3.0, "g": 2.0}, {"d": 0.5, "g": 0.25}],
      "memory": {"ours": 100.0, "original": 200.0}, "notes": ["best: fails"]}


def test_page_has_a_row_for_each_setting(tmp_path):
  report.add(tmp_path, a_record())
  report.add(tmp_path, a_record(batch=8))
  page = report.add(tmp_path, a_record())  # Replaces the first one.
  assert page.name.startswith("cpu-")
  assert len(json.loads(page.with_suffix(".json").read_text())) == 2
  rows = [x for x in page.read_text().split("\n") if x.startswith("| 64 ")]
  assert len(rows) == 2
  assert "| 500.0 ± 1% | 3.00 ± 1% | - | - | 8.00 | 2.00 | 50% |" in rows[0]
  assert "| 400 / - / 300 | 5.0 / 0.8 | 100 / 200 / - / - | 1e-05 |" in rows[0]
  assert "* best: fails" in page.read_text()


def test_machine_is_a_kind(tmp_path, monkeypatch):
  assert report.machine("NVIDIA H200") == "nvidia-h200"
  about = tmp_path / "cpuinfo"
  assert report.machine("cpu", about).endswith("-cores")
  about.write_text("flags : fma avx avx2 avx512f\n")
  assert report.machine("cpu", about).endswith("-cores-avx512")
  monkeypatch.setenv("HIDE_ABOVE", "avx2")
  assert report.machine("cpu", about).endswith("-cores-avx512-as-avx2")


def test_instruction_sets_are_hidden(tmp_path):
  flags = pathlib.Path("/proc/cpuinfo")
  flags = flags.read_text().split() if flags.exists() else []
  if not {"cpuid_fault", "avx512f"} <= set(flags) or not shutil.which("cc"):
    pytest.skip("needs a processor with AVX-512 that can trap CPUID")
  program = tmp_path / "widest.c"
  program.write_text("""int main() {
    return (__builtin_cpu_supports("avx2") ? 1 : 0) +
        (__builtin_cpu_supports("avx512f") ? 2 : 0); }""")
  subprocess.run(("cc", "-o", tmp_path / "widest", program), check=True)
  run_it = lambda environment: subprocess.run(
      (tmp_path / "widest",), env=environment, check=False).returncode
  assert run_it(os.environ) == 3
  for widest, shown in (("avx2", 1), ("avx512", 3)):
    assert run_it(isa.environment(widest, tmp_path)) == shown


def test_heads_end_in_one_cell():
  s = settings_lib.Settings("encoder", size=256)
  assert s.head_convs == (4, 5, 6)
  assert settings_lib.Settings("encoder", size=32).head_convs == (1, 2, 3)


@pytest.mark.slow
def test_side_by_side(tmp_path):
  pytest.importorskip("torch")
  s = settings_lib.Settings(
      "generator", size=8, batch=2, width=8, classes=3)
  record = run.measure(s, ("original", "best"), 2)
  assert set(record["seconds"]) == {"ours", "original", "best"}
  assert record["flops"] > 0
  assert record["gap"] < 1e-3


def test_pages_of_results_are_those_of_their_records():
  pages = sorted(pathlib.Path(run.__file__).parents[1].glob("results/*.md"))
  assert pages
  for page in pages:
    records = json.loads(page.with_suffix(".json").read_text())
    assert report.markdown(page.stem, records) == page.read_text(), page
