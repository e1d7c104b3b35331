"""Variables that exist already: of earlier stages, of converted files.

Where `workdir` is None nothing is read: the arrays' shapes and types come back
instead, for planning.
"""

import pathlib
from typing import Any

from etils import epath

from semseg_jax import interop
from semseg_jax.training import checkpoint


def restored(workdir, stage: str, abstract, needed_by: str, *, step=None):
  """A part of a trained stage's state.

  Args:
    workdir: the run's folder, or None.
    stage: its name.
    abstract: the part, of `jax.ShapeDtypeStruct`.
    needed_by: what wants it, for the message.
    step: folder -> step to take; None: the newest.

  Raises FileNotFoundError: the stage has no checkpoint.
  """
  if workdir is None:
    return abstract
  folder = epath.Path(workdir) / stage / "ckpt"
  if not checkpoint.exists(folder):
    raise FileNotFoundError(
        f"{needed_by} needs the trained stage {stage!r}, but {folder} holds no "
        "checkpoint: train that stage first, by semseg-jax train with the same "
        "--workdir")
  return checkpoint.restore_subtree(
      folder, abstract, step=step(folder) if step else None)


def converted(path: str, field: str) -> dict[str, Any]:
  """Variables of a converted file to start from; {} where `path` is empty.

  Raises:
    FileNotFoundError: there is no such file; the message names the `field`.
  """
  if not path:
    return {}
  if not pathlib.Path(path).exists():
    raise FileNotFoundError(
        f"{field}: there is no file {path}; make it with "
        "semseg-jax convert")
  return dict(interop.load(path)[1])
