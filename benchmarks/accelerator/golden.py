"""Largest deviation of each golden case, at both precisions of products."""

import argparse
import contextlib
import importlib.util
import json
import pathlib
import time

import jax


def load_tests():
  """The module of the golden tests."""
  path = pathlib.Path(__file__).resolve().parents[2] / "tests/golden"
  spec = importlib.util.spec_from_file_location(
      "golden_test", path / "golden_test.py")
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


def deviations(case, check) -> dict:
  """Runs a case; the output furthest off in units of its tolerance.

  Returns:
    "output", "deviation", "of_tolerance", and "failed": the first assertion
    that is none of an output's tolerance, or "".
  """
  worst, failed = {"output": "", "deviation": 0.0, "of_tolerance": 0.0}, ""
  own = case.check

  def record(key, got, tol, **how):
    value = getattr(case, how.get("by", "error"))(key, got)
    if tol and value / tol >= worst["of_tolerance"]:
      worst.update(output=key, deviation=value, of_tolerance=value / tol)
    with contextlib.suppress(AssertionError):
      own(key, got, tol, **how)

  case.check = record
  try:
    check(case)
  except AssertionError as error:
    failed = (str(error).strip().splitlines() or ["an assertion"])[0][:200]
  return {**worst, "failed": failed}


def main():
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--golden_dir", default="tests/golden/data")
  parser.add_argument(
      "--share", default="0/1", help="i/n: every n-th case from i on")
  parser.add_argument("--only", default="", help="start of the cases' names")
  given = parser.parse_args()
  tests = load_tests()
  index, count = map(int, given.share.split("/"))
  folders = [f for f in tests.cases.find(given.golden_dir)
             if f.name.startswith(given.only)]
  for folder in folders[index::count]:
    for precision in ("highest", "default"):
      started = time.monotonic()
      row = {"case": folder.name, "precision": precision}
      try:
        case = tests.cases.load(folder)
        with jax.default_matmul_precision(precision):
          if hasattr(case, "check"):
            row |= deviations(case, tests._checker(case.name))
          else:
            tests._checker(case.name)(case)
      except (Exception, SystemExit) as error:  # The other cases go on.
        row["error"] = f"{type(error).__name__}: {error}"[:300]
      row["seconds"] = round(time.monotonic() - started, 1)
      print(json.dumps(row), flush=True)


if __name__ == "__main__":
  main()
