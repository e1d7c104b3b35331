"""The check of a machine: rows, deadline, what is written; on CPU."""

import json
import subprocess
import sys
import time

import pytest

from benchmarks import pack_for_accelerator
from benchmarks.accelerator import golden
from benchmarks.accelerator import models
from benchmarks.accelerator import parts
from benchmarks.accelerator import report
from benchmarks.accelerator import runner


def python(text, **fields):
  return parts.Row("row", ("-c", text), least=0.0, **fields)


def records(folder):
  return [json.loads(x) for x in
          (folder / "results.jsonl").read_text().splitlines()]


def run(folder, *rows, seconds=60.0, together=1):
  r = runner.Runner(folder, seconds)
  r.part("a", parts.Part(None, 1.0, together, even=False), rows, 1.0)
  return r, records(folder)


def test_lines_are_kept_and_the_next_row_follows_a_failure(tmp_path):
  r, lines = run(
      tmp_path, python("print('{\"x\": 1}'); raise ValueError('no')"),
      python("print('said'); print('{\"y\": 2.5}')"))
  assert [{k: x[k] for k in x if k in ("x", "y")} for x in lines] == [
      {"x": 1}, {}, {"y": 2.5}]
  assert "ended with 1: ValueError: no" in lines[1]["error"]
  assert r.measured == 2
  page = (tmp_path / "results.md").read_text()
  assert "| row | 2.5 |" in page
  assert "* row: ended with 1" in page
  assert "said" in (tmp_path / "log.txt").read_text()


def test_a_row_is_ended_at_its_limit_with_all_it_started(tmp_path):
  started = time.monotonic()
  text = ("import subprocess; print('{\"x\": 1}', flush=True); "
          "subprocess.run(['sleep', '60'])")
  _, lines = run(tmp_path, python(text, limit=1.0),
                 python(text, limit=1.0, may_be_cut=True))
  assert time.monotonic() - started < 30
  assert [("error" in x, x.get("x")) for x in lines] == [
      (False, 1), (True, None), (False, 1)]
  assert lines[1]["error"].startswith("cut after")


def test_comparisons_get_ready_together_and_take_turns(tmp_path):
  text = """
import sys, time
from benchmarks.compare import turns
flag = [x for x in sys.argv if x.startswith("--turns=")][0]
turn = turns.Turns.parse(flag.partition("=")[2])
if "fails" in sys.argv:
  raise ValueError("no")
ready = time.time()
with turn:
  start = time.time(); time.sleep(0.3)
  print("{\\"ready\\": %f, \\"start\\": %f, \\"end\\": %f}" % (
      ready, start, time.time()))
"""
  rows = [parts.Row(name, ("-c", text, name), least=0.0)
          for name in ("one", "two", "fails")]
  r = runner.Runner(tmp_path, 60.0)
  r.part("d", parts.Part(None, 1.0, 3, in_turns=True), rows, 1.0)
  lines = sorted((x for x in records(tmp_path) if "start" in x),
                 key=lambda x: x["start"])
  assert len(lines) == 2
  assert max(x["ready"] for x in lines) <= lines[0]["start"]
  assert lines[0]["end"] <= lines[1]["start"]


def test_without_time_rows_are_left_out(tmp_path):
  row = parts.Row("row", ("-c", "print('{}')"), least=5.0)
  _, lines = run(tmp_path, row, seconds=1.0)
  assert lines[0]["error"].startswith("left out")


def test_tables_have_rows_of_the_same_columns():
  text = report.markdown([
      {"part": "a", "row": "m", "x": 1.23456},
      {"part": "a", "row": "n", "y": 2},
      {"part": "a", "row": "o", "x": 2.0},
      {"part": "b", "row": "p", "error": "broke", "seconds": 2.0}])
  assert "| m | 1.23 |\n| o | 2 |" in text
  assert "* p: broke (seconds 2)" in text


class FakeCase:
  name = "fake"

  def error(self, key, got):
    return got

  def check(self, key, got, tol):
    assert got <= tol


def test_deviations_of_a_case_go_on_after_the_first():
  def check(case):
    case.check("a", 0.5, 1.0)
    case.check("b", 3.0, 1.0)
    case.check("c", 0.0, 0.0)
    raise AssertionError("shapes\ndiffer")

  assert golden.deviations(FakeCase(), check) == {
      "output": "b", "deviation": 3.0, "of_tolerance": 3.0, "failed": "shapes"}


def test_newest_checkpoints_are_packed_in_pieces(tmp_path, monkeypatch):
  runs, out = tmp_path / "runs", tmp_path / "out"
  out.mkdir()
  for name in ("a/gan/ckpt/2/x", "a/gan/ckpt/10/x", "a/gan/metrics.jsonl"):
    (runs / name).parent.mkdir(parents=True, exist_ok=True)
    (runs / name).write_bytes(bytes(3000))
  kept = {str(p.relative_to(runs)) for p in models.newest(runs)}
  assert kept == {"a/gan/ckpt/10/x", "a/gan/metrics.jsonl"}
  monkeypatch.setattr(models, "_PIECE", 4000)
  said = models.pack(runs, out)
  assert said["complete"]
  assert len(list(out.iterdir())) == said["pieces"] == 3
  whole = b"".join(p.read_bytes() for p in sorted(out.iterdir()))
  listed = subprocess.run(["tar", "t"], input=whole, capture_output=True,
                          check=True).stdout.decode().split()
  assert set(listed) == kept


def test_every_stage_of_every_method_is_trained():
  from semseg_jax import stages
  from semseg_jax.cli import arguments

  configs = [arguments.seeded_config(x, 0) for x in parts.STAGES.values()]
  covered = {stages.METHODS[c.method][name].make
             for c in configs for name in c.stages}
  assert covered == {
      x.make for method in stages.METHODS.values() for x in method.values()}


def test_packages_that_are_there_are_not_packed():
  have = {"optax": "", "numpy": "9.0", "flax": "0.1"}
  versions = pack_for_accelerator.needed(["flax>=0.12", "numpy>=2"], have)
  assert "flax" in versions  # There, but too old.
  assert "msgpack" in versions  # flax requires it
  assert not {"jax", "jaxlib", "optax", "numpy"} & set(versions)


def rehearse(folder, *flags):
  subprocess.run(
      (sys.executable, "-m", "benchmarks.accelerator", "--tiny",
       f"--out={folder}", *flags), cwd=runner.ROOT, check=True,
      stdout=subprocess.DEVNULL)
  return records(folder)


def test_machine_and_a_golden_case_are_measured(tmp_path):
  lines = rehearse(tmp_path, "--parts=a,b", "--minutes=30")
  assert not [x for x in lines if "error" in x]
  products = [x for x in lines if "product" in x]
  assert len(products) == 3
  assert all(x["tflops"] > 0 for x in products)
  cases = [x for x in lines if x["part"] == "b"]
  assert [x["precision"] for x in cases] == ["highest", "default"]
  assert all(0 < x["of_tolerance"] <= 1 and not x["failed"] for x in cases)


@pytest.mark.slow
def test_all_parts_at_toy_size(tmp_path):
  lines = rehearse(tmp_path, "--minutes=60")
  assert not [x for x in lines if "error" in x]
  stage, = [x for x in lines if x["part"] == "c"]
  assert stage["stage"] == "supervised"
  assert stage["programs"] == 1
  assert stage["finite"]
  mean = [x for x in lines if x["part"] == "e"][-1]
  assert mean["images_per_second"] > 0
