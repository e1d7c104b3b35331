"""How a command ends, by what its body raised."""

import errno

import jax
import pytest

from semseg_jax.training import exits

LOST = jax.errors.JaxRuntimeError("INTERNAL: Gloo: connection closed by peer")
FULL = jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory: 9 GB")


class Left(BaseException):
  """In place of the process's end."""


@pytest.fixture
def in_a_pair(monkeypatch):
  def leave(code):
    raise Left(code)

  monkeypatch.setattr(jax.distributed, "is_initialized", lambda: True)
  monkeypatch.setattr(exits.os, "_exit", leave)


def end(error):
  with exits.one_line():
    raise error


@pytest.mark.parametrize(("error", "said"), [
    (ValueError("bad batch"), "error: bad batch"),
    (OSError("no space"), "error: no space"),
    (OSError(errno.ENOSPC, "No space left on device"),
     "No space left on device: no room for what this command writes"),
    (FULL, "error: the devices' memory .*9 GB.*config.num_microbatches")])
def test_one_line_for_what_a_user_can_mend(error, said):
  with pytest.raises(SystemExit, match=said):
    end(error)


@pytest.mark.parametrize("error", [KeyError("missing"), LOST])
def test_a_fault_of_ours_keeps_its_traceback(error):
  with pytest.raises(type(error)):
    end(error)


@pytest.mark.parametrize(("error", "code", "said"), [
    (ValueError("bad batch"), 1, "error: bad batch\n"),
    (FULL, 1, "memory does not suffice"),
    (LOST, exits.LOST_PROCESS, "process 0 of 1 cannot go on without"),
    (KeyError("missing"), 1, "Traceback")])
def test_one_of_several_leaves_at_once(in_a_pair, capfd, error, code, said):
  with pytest.raises(Left) as left:
    end(error)
  assert left.value.args == (code,)
  assert said in capfd.readouterr().err
