"""Which XLA flags are set, without starting JAX (one test does, apart)."""

import json
import subprocess

import pytest

from semseg_jax.cpu import startup


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

  monkeypatch.setattr(startup.subprocess, "run", run)
  return tried, code


def test_accepted_flag_is_set_and_remembered(probes, tmp_path, monkeypatch):
  for _ in range(2):
    assert startup.CPU_FLAG in startup.apply(tmp_path / "cache")
    assert startup.os.environ["XLA_FLAGS"] == startup.CPU_FLAG
    monkeypatch.delenv("XLA_FLAGS")
  assert probes[0] == [startup.CPU_FLAG]


def test_unknown_flag_is_left_out(probes, tmp_path):
  probes[1][0] = -6
  assert "does not know" in startup.apply(tmp_path)
  assert "XLA_FLAGS" not in startup.os.environ


def test_another_jaxlib_is_tried_anew(probes, tmp_path):
  (tmp_path / "xla_flags.json").write_text(
      json.dumps({f"0.0.1 {startup.CPU_FLAG}": False}))
  assert "XLA_FLAGS=" in startup.apply(tmp_path)


def test_the_users_flags_stay(probes, tmp_path, monkeypatch):
  monkeypatch.setenv("XLA_FLAGS", "--mine")
  assert "by the user" in startup.apply(tmp_path)
  assert startup.os.environ["XLA_FLAGS"] == "--mine"


def test_accelerators_are_left_alone(probes, tmp_path, monkeypatch):
  monkeypatch.setenv("JAX_PLATFORMS", "cuda")
  assert "not on CPU" in startup.apply(tmp_path)
  assert "XLA_FLAGS" not in startup.os.environ


def test_really_unknown_flag(tmp_path, monkeypatch):
  monkeypatch.setenv("JAX_PLATFORMS", "cpu")
  monkeypatch.setenv("XLA_FLAGS", "")
  monkeypatch.delenv("XLA_FLAGS")
  message = startup.apply(tmp_path, flag="--xla_there_is_no_such_flag=1")
  assert "does not know" in message


def test_compile_cache_respects_the_user(tmp_path, monkeypatch):
  monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "mine")
  startup.compile_cache(tmp_path)
  assert startup.os.environ["JAX_COMPILATION_CACHE_DIR"] == "mine"


def test_compile_cache_is_kept_by_cores(tmp_path, monkeypatch):
  folders = set()
  for cores in (1, 2):
    monkeypatch.setattr(startup.os, "sched_getaffinity",
                        lambda _, n=cores: set(range(n)), raising=False)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    startup.compile_cache(tmp_path)
    folders.add(startup.os.environ["JAX_COMPILATION_CACHE_DIR"])
  assert folders == {
      str(tmp_path / f"jax/{n}-cores") for n in (1, 2)}


def test_imports_no_jax():
  code = ("import sys; from semseg_jax.cpu import startup; "
          "assert 'jax' not in sys.modules")
  subprocess.run((startup.sys.executable, "-c", code), check=True)


def test_nothing_is_made_in_the_current_folder(probes, tmp_path, monkeypatch):
  (tmp_path / "here").mkdir()
  monkeypatch.chdir(tmp_path / "here")
  monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
  startup.apply()
  assert not list((tmp_path / "here").iterdir())
  assert (tmp_path / "cache/semseg_jax/xla_flags.json").exists()
