"""Checkpoints: saved asynchronously; the two newest and the best remain.

The only importer of orbax. A checkpoint holds the training state (any pytree
of arrays) and a small JSON object; it can be restored on other devices than it
was saved on, as the abstract state says where every leaf goes.
"""

import contextlib
import json
import math
from typing import Any

from absl import logging
from etils import epath
import jax
from jax.experimental import multihost_utils
import numpy as np
import orbax.checkpoint as ocp

from semseg_jax.training import exported
from semseg_jax.training import run_dir

PyTree = Any
_STATE, _META = "state", "meta"


class StateMismatchError(ValueError):
  """The checkpoint holds the state of another architecture."""


class SaveError(OSError):
  """A checkpoint could not be written; those before it are untouched."""


class Checkpoints:
  """Checkpoints ckpt/<completed steps>/ of one stage; a context manager.

  `best_score` is that of the best checkpoint, -inf if none has a score.
  """

  def __init__(self, directory):
    policies = ocp.checkpoint_managers
    self._directory = run_dir.absolute(directory)
    self._options = ocp.CheckpointManagerOptions(
        preservation_policy=policies.AnyPreservationPolicy([
            policies.LatestN(2),
            policies.BestN(get_metric_fn=_score, n=1),
        ]),
        best_fn=_score)
    self._open()

  def __enter__(self):
    return self

  def __exit__(self, kind, *_):
    # Waits for the save in progress, which needs every process: without one
    # of them it would never end.
    lost = kind is not None and issubclass(kind, jax.errors.JaxRuntimeError)
    if jax.process_count() == 1 or not lost:
      with self._saving():
        self._manager.close()

  def save(self, step: int, state: PyTree, meta: dict,
           score: float | None = None) -> None:
    """Starts saving; `score` (larger is better) makes it a candidate for best.

    The arrays of `state` may be donated as soon as this returns.

    Raises SaveError: it, or the one before, cannot be written.
    """
    if score is None or not math.isfinite(score):
      score = -math.inf
    self.best_score = max(self.best_score, score)
    with self._saving():
      self._manager.save(
          step,
          args=ocp.args.Composite(
              state=ocp.args.StandardSave(state),
              meta=ocp.args.JsonSave(meta)),
          metrics={"score": score}, force=True)

  def rescore(self, step: int, score: float) -> None:
    """Gives a checkpoint that was saved without a score one."""
    self._manager.close()
    if jax.process_index() == 0:
      run_dir.write_json(
          self._directory / str(step) / "metrics" / "metrics",
          {"score": score})
    self._open()

  def wait(self) -> None:
    """Returns when everything is on disk."""
    with self._saving():
      self._manager.wait_until_finished()

  @contextlib.contextmanager
  def _saving(self):
    """Any failure to write as a SaveError, but for that of a lost process."""
    try:
      yield
    except (SaveError, jax.errors.JaxRuntimeError):
      raise
    except Exception as error:  # orbax promises no type for a full disk
      raise SaveError(
          f"a checkpoint could not be written to {self._directory} "
          f"({type(error).__name__}: {str(error).splitlines()[0]}): make room "
          "or set its permissions right, then run the same command to "
          "continue from the newest one there") from error

  def restore(self, abstract: PyTree) -> tuple[int, PyTree, dict] | None:
    """The newest readable checkpoint as (step, state, meta), or None.

    Args:
      abstract: pytree of `jax.ShapeDtypeStruct` with shardings.

    Unreadable checkpoints are moved aside, to unreadable.<step>, with a
    warning. Raises StateMismatchError if the checkpoint is sound and holds
    another architecture.
    """
    for step in sorted(self._manager.all_steps(), reverse=True):
      folder = self._directory / str(step)
      _check_match(folder, _saved_shapes(folder), abstract)
      try:
        restored = self._manager.restore(step, args=ocp.args.Composite(
            state=ocp.args.StandardRestore(abstract),
            meta=ocp.args.JsonRestore()))
      except (jax.errors.JaxRuntimeError, MemoryError, PermissionError):
        raise  # no room, a lost process: nothing is wrong with the files
      except Exception as error:  # orbax promises no type for a damaged file
        self._manager.close()
        self._open({step: error})
        continue
      return step, restored[_STATE], restored[_META]
    return None

  def _open(self, damaged: dict[int, Exception] | None = None):
    """Opens the manager on what is sound, having moved the rest aside."""
    if jax.process_index() == 0:
      for step, error in (damaged or _damaged(self._directory)).items():
        folder = self._directory / str(step)
        logging.warning(
            "checkpoint %s is unreadable (%s: %s): moved aside, the one "
            "before is used", folder, type(error).__name__, error)
        # Out of the way, or the step could not be saved again.
        aside = folder.parent / f"unreadable.{step}"
        if aside.exists():
          aside.rmtree()
        folder.rename(aside)
    multihost_utils.sync_global_devices("unreadable checkpoints moved")
    self._manager = ocp.CheckpointManager(
        self._directory, options=self._options)
    self.best_score = max(
        (_saved_score(self._directory / str(step))
         for step in self._manager.all_steps()), default=-math.inf)


def exists(directory) -> bool:
  """Whether a stage's ckpt folder holds a checkpoint."""
  return bool(_steps(directory))


def latest(directory) -> int | None:
  """Step of the newest checkpoint in `directory`; None: there is none."""
  return max(_steps(directory), default=None)


def best(directory) -> int | None:
  """Step of the best-scored checkpoint; the newest if none has a score."""
  if exported.split(directory):
    return latest(directory)
  directory = run_dir.absolute(directory)
  scores = {}
  for step in _steps(directory):
    try:
      scores[step] = _saved_score(directory / str(step))
    except FileNotFoundError:
      if (directory / str(step)).exists():
        raise
      # A training has deleted it meanwhile.
  return max(scores, default=None, key=lambda step: (scores[step], step))


def restore_subtree(directory, abstract: dict, *, step: int | None = None):
  """Part of a saved state, e.g. {"ema": ...}, for another system than saved it.

  A process reads for itself and waits for no other.

  Args:
    directory: a stage's ckpt folder.
    abstract: dict of top-level names of the state to pytrees of
      `jax.ShapeDtypeStruct` (with shardings, or they go to one device).
    step: which checkpoint, such as `best(directory)`; None: the newest.

  Raises FileNotFoundError without a checkpoint, StateMismatchError if the
  part was saved with other shapes.
  """
  if there := exported.split(directory):
    return exported.read(*there, abstract)
  directory = run_dir.absolute(directory)
  step = latest(directory) if step is None else step
  if step is None or not (directory / str(step)).exists():
    raise FileNotFoundError(
        f"no checkpoint {'' if step is None else step} in {directory}: train "
        "that stage first or correct the path")
  folder = directory / str(step)
  saved = {k: v for k, v in _saved_shapes(folder).items()
           if k.split("/")[0] in abstract}
  _check_match(folder, saved, abstract)
  one = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
  sharded = jax.tree.map(
      lambda x: x if x.sharding else x.update(sharding=one), abstract)
  me = jax.process_index()
  with ocp.Checkpointer(
      ocp.PyTreeCheckpointHandler(),
      multiprocessing_options=ocp.options.MultiprocessingOptions(
          primary_host=me, active_processes={me})) as checkpointer:
    return checkpointer.restore(folder / _STATE, args=ocp.args.PyTreeRestore(
        item=sharded,
        restore_args=ocp.checkpoint_utils.construct_restore_args(sharded),
        partial_restore=True))


def restore_all(directory, *, step: int) -> dict[str, Any]:
  """The whole saved state as nested dicts and lists of NumPy arrays.

  Of an exported file the parts that are in it, lists as dicts.
  """
  if there := exported.split(directory):
    return exported.read_all(*there)
  folder = run_dir.absolute(directory) / str(step)
  as_numpy = jax.tree.map(
      lambda _: ocp.RestoreArgs(restore_type=np.ndarray), _saved_tree(folder))
  with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as checkpointer:
    return checkpointer.restore(folder / _STATE, args=ocp.args.PyTreeRestore(
        restore_args=as_numpy))


def read(directory) -> tuple[int, dict[str, Any]]:
  """(step, the whole state) of the best checkpoint, also in an exported file.

  Raises FileNotFoundError: there is none.
  """
  step = best(directory)
  if step is None:
    raise FileNotFoundError(f"no checkpoint in {directory}")
  return step, restore_all(directory, step=step)


def saved_at(directory) -> int:
  """When the newest checkpoint was saved, in nanoseconds; 0: not known."""
  if there := exported.split(directory):
    return exported.saved_at(*there)
  step = latest(directory)
  if step is None:
    return 0
  path = run_dir.absolute(directory) / str(step) / "_CHECKPOINT_METADATA"
  try:
    return json.loads(path.read_text())["commit_timestamp_nsecs"] or 0
  except (OSError, ValueError, KeyError):
    return 0


def score_of(directory) -> float | None:
  """Validation score of the best checkpoint; None without one."""
  step = best(directory)
  if step is None:
    return None
  score = _saved_score(run_dir.absolute(directory) / str(step))
  return score if math.isfinite(score) else None


def _score(metrics) -> float:
  return metrics["score"]


def _saved_score(folder) -> float:
  path = folder / "metrics" / "metrics"
  if (metrics := run_dir.read_json(path)) is None:
    raise FileNotFoundError(path)
  return _score(metrics)


def _damaged(directory) -> dict[int, Exception]:
  """{step: error} of checkpoints whose descriptions cannot be read."""
  errors = {}
  for step in _steps(directory):
    folder = directory / str(step)
    try:
      _saved_score(folder)
      json.loads((folder / "_CHECKPOINT_METADATA").read_text())
      if not _saved_shapes(folder):
        raise ValueError("no arrays")
    except Exception as error:  # orbax promises no type for a damaged file
      errors[step] = error
  return errors


def _steps(directory) -> list[int]:
  if there := exported.split(directory):
    return exported.steps(*there)
  directory = epath.Path(directory)
  if not directory.exists():
    return []
  return [int(p.name) for p in directory.iterdir() if p.name.isdigit()]


def _saved_shapes(folder) -> dict[str, tuple[int, ...]]:
  """{path of a leaf: shape} of the state saved in `folder`."""
  flat = ocp.tree.to_flat_dict(_saved_tree(folder), sep="/")
  return {k: tuple(v.shape) for k, v in flat.items() if hasattr(v, "shape")}


def _saved_tree(folder):
  """What orbax knows of each leaf of the state saved in `folder`."""
  tree = ocp.StandardCheckpointHandler().metadata(folder / _STATE)
  return getattr(tree, "tree", tree)  # wrapped by some versions of orbax


def _check_match(folder, saved, abstract) -> None:
  wanted = {
      k: v for k, v in ocp.tree.to_flat_dict(abstract, sep="/").items()
      if hasattr(v, "shape")}
  shown = lambda x: "absent" if x is None else str(x)
  # Parameters before the optimizer's copies of them, which lie deeper.
  for name in sorted(saved.keys() | wanted.keys(),
                     key=lambda k: (k.count("/"), k)):
    there, leaf = saved.get(name), wanted.get(name)
    if leaf is not None and jax.dtypes.issubdtype(
        leaf.dtype, jax.dtypes.prng_key) and there is not None:
      continue  # saved as its words, of another shape
    here = None if leaf is None else tuple(leaf.shape)
    if there != here:
      raise StateMismatchError(
          f"{folder} holds another architecture: first difference at {name}: "
          f"{shown(there)} in the checkpoint, {shown(here)} in this config. "
          "Set the config fields that size the network (such as data.size "
          "or generator.max_channels) to those in config.json beside the "
          "checkpoint, or use another --workdir.")
