"""Which XLA flags are set, without starting JAX (one test does, apart)."""

import json
import subprocess

import pytest

from semseg_jax.training import xla_flags


@pytest.fixture
def probes(monkeypatch):
  """CPU without flags; (list of flags tried, what trying them returns)."""
  monkeypatch.setenv("JAX_PLATFORMS", "cpu")
  monkeypatch.setenv("XLA_FLAGS", "")
  monkeypatch.delenv("XLA_FLAGS")
  tried, code = [], [0]

  def run(*_, env, **__):
    tried.append(env["XLA_FLAGS"])
    return subprocess.CompletedProcess((), code[0])

  monkeypatch.setattr(xla_flags.subprocess, "run", run)
  return tried, code


def test_accepted_flag_is_set_and_remembered(probes, tmp_path, monkeypatch):
  for _ in range(2):
    assert xla_flags.CPU_FLAG in xla_flags.apply(tmp_path / "cache")
    assert xla_flags.os.environ["XLA_FLAGS"] == xla_flags.CPU_FLAG
    monkeypatch.delenv("XLA_FLAGS")
  assert probes[0] == [xla_flags.CPU_FLAG]


def test_unknown_flag_is_left_out(probes, tmp_path):
  probes[1][0] = -6
  assert "does not know" in xla_flags.apply(tmp_path)
  assert "XLA_FLAGS" not in xla_flags.os.environ


def test_another_jaxlib_is_tried_anew(probes, tmp_path):
  (tmp_path / "xla_flags.json").write_text(
      json.dumps({f"0.0.1 {xla_flags.CPU_FLAG}": False}))
  assert "XLA_FLAGS=" in xla_flags.apply(tmp_path)


def test_the_users_flags_stay(probes, tmp_path, monkeypatch):
  monkeypatch.setenv("XLA_FLAGS", "--mine")
  assert "by the user" in xla_flags.apply(tmp_path)
  assert xla_flags.os.environ["XLA_FLAGS"] == "--mine"


def test_accelerators_are_left_alone(probes, tmp_path, monkeypatch):
  monkeypatch.setenv("JAX_PLATFORMS", "cuda")
  assert "not on CPU" in xla_flags.apply(tmp_path)
  assert "XLA_FLAGS" not in xla_flags.os.environ


def test_really_unknown_flag(tmp_path, monkeypatch):
  monkeypatch.setenv("JAX_PLATFORMS", "cpu")
  monkeypatch.setenv("XLA_FLAGS", "")
  monkeypatch.delenv("XLA_FLAGS")
  message = xla_flags.apply(tmp_path, flag="--xla_there_is_no_such_flag=1")
  assert "does not know" in message


def test_compile_cache_respects_the_user(tmp_path, monkeypatch):
  monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "mine")
  xla_flags.compile_cache(tmp_path)
  assert xla_flags.os.environ["JAX_COMPILATION_CACHE_DIR"] == "mine"


def test_compile_cache_is_kept_by_cores(tmp_path, monkeypatch):
  folders = set()
  for cores in (1, 2):
    monkeypatch.setattr(xla_flags.os, "sched_getaffinity",
                        lambda _, n=cores: set(range(n)), raising=False)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    xla_flags.compile_cache(tmp_path)
    folders.add(xla_flags.os.environ["JAX_COMPILATION_CACHE_DIR"])
  assert folders == {str(tmp_path / "1-cores"), str(tmp_path / "2-cores")}


def test_imports_no_jax():
  code = ("import sys; from semseg_jax.training import xla_flags; "
          "assert 'jax' not in sys.modules")
  subprocess.run((xla_flags.sys.executable, "-c", code), check=True)
