"""The records of a run's folder: config, overrides, versions, DONE."""

from collections.abc import Sequence
import contextlib
import fcntl
import importlib.metadata
import json
import os
import pathlib
import platform
import shlex
import subprocess
import time
import uuid

from etils import epath
import jax
import ml_collections

# Fields, by last name or whole, that a run may change when it continues: how
# long, how often to look, what is scored afterwards, and what inverted latents
# do not depend on; not what is trained.
_CHANGEABLE = frozenset(
    ("steps", "log_every", "sample_every", "eval_every", "checkpoint_every",
     "in_domain", "out_of_domain", "workers",
     "data.geometry.evaluate", "inversion.batch_size", "inversion.snapshots"))
# Fields that say where something lies. What it is, its content tells
# (`lineage`, `dataset_facts`), and of a file also its name.
_FOLDERS = ("data.data_dir", "data.cache_dir", "labels.run", "shots.folder")
_FILES = ("generator.weights", "encoder.weights", "perceptual.weights",
          "segmenter.weights", "mlmt.weights", "monitor.inception")
PATHS = (*_FOLDERS, *_FILES)
# Fields that some versions lack: values that mean the same as their absence.
_NEUTRAL = {"inversion.stop_every": 0, "inversion.stop_below": 0.02,
            "labels.copies": 0, "labels.targets": "true",
            "distilled.agreement": False, "distilled.styles": 0.0,
            "autoshot.styles": 0.0, "pseudo.updates": 600,
            "s4gan.dice_weight": 0.0,
            "adv_ssl.dice_weight": 0.0, "mean_teacher.dice_weight": 0.0}
# Blocks that some versions did not keep for every stage that depends on them.
_NOT_KEPT = ("inversion", "perceptual")
_COMMANDS = "commands.json"
# What `prepare` writes, and the programs compiled for it.
_TRAINED_ON = "trained_on.json"
_RECORDS = ("config.json", "overrides.json", "versions.json", "compile.json",
            _TRAINED_ON)
_LIBRARIES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def in_bucket(path) -> bool:
  """Whether a path names an object of a bucket, as gs://... does."""
  return "://" in str(epath.Path(path))


def absolute(path) -> epath.Path:
  """The path from its root, be it a disk's or a bucket's."""
  path = epath.Path(path)
  # epath would make a folder "gs:" in the working directory of a bucket's.
  return path if in_bucket(path) else path.resolve()


class ConfigMismatchError(ValueError):
  """The folder belongs to a run with another config."""


def write_bytes(path, content: bytes) -> None:
  """Writes so that a reader sees the old file or the whole new one."""
  path = epath.Path(path)
  # A name of its own: two commands may write the same file at once.
  temporary = path.parent / f".{uuid.uuid4().hex}.tmp"
  try:
    temporary.write_bytes(content)
    temporary.replace(path)
  except BaseException:
    temporary.unlink(missing_ok=True)
    raise


def write_json(path, value) -> None:
  """`write_bytes` of JSON; dictionaries keep their order."""
  write_bytes(path, (
      json.dumps(value, indent=2) + "\n").encode())


def read_json(path, absent=None):
  """What a file of a run holds; `absent` where there is none.

  Raises ValueError: it is not whole; the message names it.
  """
  path = epath.Path(path)
  try:
    return json.loads(path.read_text()) if path.exists() else absent
  except ValueError as error:
    raise ValueError(
        f"{path} is damaged ({error}): put it back from a copy of the run, or "
        "delete it and run the command that wrote it with the run's config"
    ) from None


def check(folder, config: dict, fixed: Sequence[str] = ()) -> None:
  """Raises ConfigMismatchError if the folder holds a run of another config.

  Fields of _CHANGEABLE may differ, but for those of `fixed`; the error
  lists the others.
  """
  folder = absolute(folder)
  there = read_json(folder / "config.json")
  if there is None:
    return
  # Tuples are lists there.
  if lines := refused(there, json.loads(json.dumps(config)), fixed):
    raise ConfigMismatchError(
        f"{folder} holds a run with another config:\n{lines}\n"
        "Give the new run its own --workdir, set these fields back to "
        f"continue the old one, or delete {folder} to start again.")


def refused(old: dict, new: dict, fixed: Sequence[str] = ()) -> str:
  """A line for each field that differs and is in `fixed` or may not change."""
  return "\n".join(
      f"  {name}: {there} there, {now} now"
      for name, there, now in differences(old, new)
      if name in fixed or not (
          _CHANGEABLE & {name, name.split(".")[-1]}
          or name in _NOT_KEPT and there == "absent"
          or _moved(name, there, now)))


def _moved(name: str, there: str, now: str) -> bool:
  """Whether only the place differs, as JSON, of the same thing."""
  if name in ("data.data_dir", "data.cache_dir"):
    return True
  given = [json.loads(x) for x in (there, now) if x != "absent"]
  if name not in PATHS or not all(given) or len(given) < 2:
    return False
  return name in _FOLDERS or len({x.rsplit("/", 1)[-1] for x in given}) == 1


def with_paths_of(config, other):
  """A config with the runs, shots and files that another one names.

  Args:
    config: a locked config.
    other: another config of the same method.
  """
  config = config.copy_and_resolve_references().unlock()
  for field in PATHS[2:]:  # without the data set's
    block, _, name = field.rpartition(".")
    if name in config.get(block, {}) and name in other.get(block, {}):
      config[block][name] = other[block][name]
  for name, path in other.get("pretrained", {}).items():
    if path and "pretrained" in config:
      config.pretrained[name] = path
  return config.lock()


def prepare(folder, config: dict, overrides: dict, *,
            fixed: Sequence[str] = (),
            trained_on: dict[str, int] | None = None,
            primary: bool = True) -> epath.Path:
  """Makes the folder, or checks that it holds a run of the same config.

  Writes config.json, overrides.json and versions.json (primary process only),
  and `trained_on`, {stage that is read: its step}, before there is a
  checkpoint. Raises ConfigMismatchError like `check`.
  """
  check(folder, config, fixed)
  folder = absolute(folder)
  if _has_checkpoint(folder):  # what it was trained with is not known any more
    kept = read_json(folder / "config.json", config)
    config = {k: x for k, x in config.items()
              if k in kept or k not in _NOT_KEPT}
  if primary:
    with _writing(folder):
      write_json(folder / "config.json", config)
      write_json(folder / "overrides.json", overrides)
      write_json(folder / "versions.json", versions())
      if trained_on and not _has_checkpoint(folder):
        write_json(folder / _TRAINED_ON, trained_on)
  return folder


@contextlib.contextmanager
def alone(folder, doing: str = "training"):
  """Makes the folder and keeps the machine's other processes from `doing` there
  the same.

  The system lets go of it with the process, however that ends. A bucket knows
  no locks.

  Raises ValueError: one does, or this one already.
  """
  if in_bucket(folder):
    yield
    return
  folder = absolute(folder)
  with _writing(folder):
    held = os.open(folder, os.O_RDONLY)
  try:
    with contextlib.suppress(OSError):  # not every file system has locks
      try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
      except BlockingIOError:
        raise ValueError(
            f"{folder}: another process is {doing} there; wait for it, stop "
            "it, or give another --workdir") from None
    yield
  finally:
    os.close(held)


def trained_on(folder) -> dict[str, int] | None:
  """What `prepare` kept; None: nothing, as in runs of former versions."""
  return read_json(absolute(folder) / _TRAINED_ON)


@contextlib.contextmanager
def _writing(folder):
  """Makes the folder; an error says what to do."""
  try:
    folder.mkdir(parents=True, exist_ok=True)
    yield
  except OSError as error:
    raise OSError(
        f"{folder} cannot be written to ({error.strerror or error}): set its "
        "permissions right, make room, or use another --workdir") from error


def add_command(workdir, arguments: Sequence[str]) -> None:
  """Appends a command line to workdir/commands.json, with the time."""
  workdir = absolute(workdir)
  name, *flags = arguments
  # The launcher's own name is two words: the program's and the command's.
  launched = name.startswith("semseg-jax ")
  words = [*(name.split() if launched else ("python", name)), *flags]
  with _writing(workdir):
    write_json(workdir / _COMMANDS, [*commands(workdir), {
        "time": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        "command": shlex.join(words)}])


def commands(workdir) -> list[dict]:
  """What `add_command` wrote, the oldest first: {"time", "command"}."""
  return read_json(absolute(workdir) / _COMMANDS, [])


def is_known(folder) -> bool:
  """Whether the folder has the records of a run."""
  return (absolute(folder) / "config.json").exists()


def forget(folder) -> None:
  """Removes the records of a run that has not saved a checkpoint.

  A folder that holds nothing else is removed, too.
  """
  folder = absolute(folder)
  if (folder / "DONE").exists() or _has_checkpoint(folder):
    return
  for name in _RECORDS:
    (folder / name).unlink(missing_ok=True)
  for path in (folder / "ckpt", folder):
    if path.exists() and not any(path.iterdir()):
      path.rmdir()


def _has_checkpoint(folder) -> bool:
  ckpt = folder / "ckpt"
  return ckpt.exists() and any(p.name.isdigit() for p in ckpt.iterdir())


def describe(workdir, config: dict, dataset: dict) -> None:
  """Writes what a whole run is: config.json, dataset.json, versions.json.

  Args:
    config: all of the resolved config, plain values.
    dataset: name, class names, colors, ignore index, flip, images by split,
      fingerprint with what it covers, digest of painted masks, labeled ids.
  """
  folder = absolute(workdir)
  folder.mkdir(parents=True, exist_ok=True)
  write_json(folder / "config.json", config)
  write_json(folder / "dataset.json", dataset)
  write_json(folder / "versions.json", versions())


def described(workdir) -> tuple[dict, dict]:
  """(config, dataset) that `describe` wrote.

  Raises FileNotFoundError: the folder holds no run.
  """
  files = {name: read_json(absolute(workdir) / name)
           for name in ("config.json", "dataset.json")}
  for name, content in files.items():
    if content is None:
      raise FileNotFoundError(
          f"--workdir={workdir}: holds no run (no {name}); train one there "
          "first, or correct the path")
  return tuple(files.values())


def config_of(workdir):
  """The config of a finished or begun run, from its folder alone.

  Raises:
    FileNotFoundError: the folder holds no run.
  """
  return configured(described(workdir)[0])


def configured(plain: dict):
  """A locked config of plain values."""
  def tuples(x):
    if isinstance(x, dict):
      return {k: tuples(v) for k, v in x.items()}
    return tuple(map(tuples, x)) if isinstance(x, list) else x

  return ml_collections.ConfigDict(tuples(plain)).lock()


def differences(old: dict, new: dict, prefix: str = "") -> list[tuple]:
  """[(dotted field, old as JSON, new as JSON)] of nested dicts, by name."""
  differing = []
  for name in sorted(old.keys() | new.keys()):
    field = f"{prefix}{name}"
    a, b = old.get(name), new.get(name)
    if isinstance(a, dict) and isinstance(b, dict):
      differing += differences(a, b, f"{field}.")
    elif field in _NEUTRAL and {a, b} <= {None, _NEUTRAL[field]}:
      continue
    elif a != b or (name in old) != (name in new):
      shown = lambda d, x, name=name: json.dumps(x) if name in d else "absent"
      differing.append((field, shown(old, a), shown(new, b)))
  return differing


def versions() -> dict[str, str | None]:
  """Versions of Python and the libraries, the device, the git revision."""
  known: dict[str, str | None] = {"python": platform.python_version()}
  known |= {name: importlib.metadata.version(name) for name in _LIBRARIES}
  device = jax.devices()[0]
  known["device"] = f"{device.device_kind} ({device.platform})"
  known["num_devices"] = str(jax.device_count())
  known["git"] = _git_revision()
  return known


def done_step(folder) -> int | None:
  """Steps after which the stage in `folder` was finished; None: it is not."""
  return read_json(epath.Path(folder) / "DONE", {}).get("step")


def adopted(folder) -> str | None:
  """Which model the stage in `folder` was taken from; None: trained here."""
  return read_json(epath.Path(folder) / "DONE", {}).get("adopted")


def write_done(folder, step: int, **more) -> None:
  """Marks the stage in `folder` as finished after `step` steps."""
  write_json(epath.Path(folder) / "DONE", {"step": step, **more})


def reopen(folder) -> None:
  """Takes the mark of `write_done` away: the stage is trained further."""
  (epath.Path(folder) / "DONE").unlink(missing_ok=True)


def _git_revision() -> str | None:
  """Revision of the checkout this package lies in, "+changes" if edited."""
  here = pathlib.Path(__file__).resolve().parent

  def git(*arguments):
    return subprocess.run(
        ("git", "-C", str(here), *arguments), capture_output=True, text=True,
        check=True, timeout=10).stdout.strip()

  try:
    changed = git("status", "--porcelain", "--untracked-files=no")
    return git("rev-parse", "HEAD") + ("+changes" if changed else "")
  except (OSError, subprocess.SubprocessError):
    return None
