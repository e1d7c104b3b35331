"""A short coverage-guided search in each reader; see fuzz_atheris.py."""

import importlib.util
import pathlib
import subprocess
import sys

import pytest

HARNESS = pathlib.Path(__file__).with_name("fuzz_atheris.py")


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None,
                    reason="atheris is installed by make test-all, where it "
                    "has a wheel for this Python")
@pytest.mark.parametrize(
    "target", ["torch", "safetensors", "pickle", "mask", "ids", "labelme",
               "coco", "xml", "classes", "labelmap", "config"])
def test_no_input_fails(target):
  process = subprocess.run(
      (sys.executable, str(HARNESS), target, "-runs=20000", "-seed=1",
       "-max_total_time=20", "-timeout=10", "-rss_limit_mb=2048"),
      capture_output=True, text=True, timeout=300, check=False)
  assert process.returncode == 0, process.stderr[-3000:]
  assert "DONE" in process.stderr or "Done" in process.stderr
