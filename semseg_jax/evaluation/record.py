"""The record of one evaluation: scores and all that is needed to trust them."""

from collections.abc import Iterable
import dataclasses
import hashlib
import json
import pathlib
import time
from typing import NamedTuple

from absl import logging
from etils import epath

from semseg_jax.training import run_dir

_FILE = "record.json"
_KEPT = ".records.jsonl"
# Of a file or folder that is named, its own name counts: of every value that
# ends as weights do, and of these fields.
_WEIGHTS = (".safetensors", ".pth", ".pt")
_NAMED = ("shots.folder", "supervised.synthetic", "pretrained.")
# Fields that say where things lie, how a run was watched or over what it was
# spread, not what it was; "" is the top.
_IRRELEVANT = {
    "": ("monitor", "remat", "sharding"),
    "data": ("cache_dir", "data_dir", "workers"),
    "evaluation": ("num_visualized",),
    # Not max_unreadable_images, by which fewer images are trained on.
    "faults": ("rollbacks",),
    "labels": ("run",),
    "log": ("log_every", "sample_every")}


class RecordMismatchError(ValueError):
  """The record on disk belongs to another config."""


def config_hash(config: dict) -> str:
  """16 hexadecimal digits that change with any field of a nested dict."""
  text = json.dumps(config, sort_keys=True, separators=(",", ":"))
  return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclasses.dataclass(frozen=True)
class Record:
  """What record.json holds.

  methods: scores of each method, as `segmentation.evaluate` returns them.
  config: the run's config as nested dicts; config_hash: of it.
  split: what was scored.
  checkpoint_step: step of the parameters that were scored, if they have one.
  seconds: wall-clock time of the evaluation.
  versions: Python, libraries, device, git revision.
  finished: when, in UTC, as 2026-01-31T12:00:00Z.
  extra: further scores of the run, such as feature distances.
  """
  methods: dict
  config: dict
  config_hash: str
  split: str
  checkpoint_step: int | None
  seconds: float
  versions: dict
  finished: str
  extra: dict

  @property
  def study(self) -> str:
    """The study that it is of; "" for an ordinary evaluation."""
    if "study" in self.extra:
      return self.extra["study"]
    # Former versions did not say it, and wrote all to the same place.
    if "updates" in self.extra:
      return "few_shot"
    return "synthesis" if "real image" in self.methods else ""


class Entry(NamedTuple):
  """A record and where it is: its file, with the line among kept ones."""
  where: str
  record: Record


def make(
    methods: dict, *, config: dict, split: str, seconds: float,
    checkpoint_step: int | None = None, extra: dict | None = None) -> Record:
  """A record of scores got just now, on this machine, by this code."""
  return Record(
      methods=methods, config=config, config_hash=config_hash(config),
      split=split, checkpoint_step=checkpoint_step, seconds=round(seconds, 3),
      versions=run_dir.versions(),
      finished=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
      extra=extra or {})


def save(folder, record: Record) -> None:
  """Writes record.json into `folder`, whole or not at all."""
  folder = epath.Path(folder)
  folder.mkdir(parents=True, exist_ok=True)
  run_dir.write_json(folder / _FILE, dataclasses.asdict(record))


def load(folder) -> Record:
  """Reads the record that `save` put into `folder`.

  Raises:
    FileNotFoundError: there is none.
    RecordMismatchError: its config was edited by hand.
    ValueError: the file is not a record.
  """
  path = epath.Path(folder) / _FILE
  if not path.exists():
    raise FileNotFoundError(f"{path}: no record; run the evaluation first")
  return _parsed(path, path.read_bytes())


def _parsed(where, text: bytes) -> Record:
  try:
    record = Record(**json.loads(text))
  except (ValueError, TypeError) as error:  # also where it is no text
    raise ValueError(
        f"{where} is not a record of this version ({error}); delete it and "
        "evaluate again") from error
  if config_hash(record.config) != record.config_hash:
    raise RecordMismatchError(
        f"{where}: its config does not have the hash it states "
        f"({record.config_hash}); delete it and evaluate again")
  return record


def below(folders) -> list[Entry]:
  """Every record below some folders, the newest first, those of `keep` too.

  What is no record is left out, with a warning.
  """
  entries = []
  folders = [pathlib.Path(folder) for folder in folders]
  texts = {str(path): path.read_bytes() for folder in folders
           for path in folder.glob(f"**/eval/*/{_FILE}")}
  texts |= {f"{path}:{i}": line for folder in folders
            for path in folder.glob(f"**/*{_KEPT}")
            for i, line in enumerate(path.read_bytes().splitlines(), 1)}
  for where, text in sorted(texts.items()):
    try:
      entries.append(Entry(where, _parsed(where, text)))
    except ValueError as error:
      logging.warning("left out: %s", error)
  return sorted(entries, key=lambda x: x.record.finished, reverse=True)


def keep(path: pathlib.Path, kept: Iterable[Record]) -> None:
  """Writes records into one file, a line each, without this machine's paths.

  Args:
    path: NAME.records.jsonl; what is there is replaced.
    kept: the records, in the order in which they are written.
  """
  lines = []
  for record in kept:
    config = _without_paths(record.config)
    lines.append(json.dumps(dataclasses.asdict(dataclasses.replace(
        record, config=config, config_hash=config_hash(config))),
        separators=(",", ":"), sort_keys=True) + "\n")
  path.parent.mkdir(parents=True, exist_ok=True)
  run_dir.write_bytes(path, "".join(lines).encode())


def _without_paths(value):
  if isinstance(value, dict):
    return {k: _without_paths(v) for k, v in value.items()}
  if isinstance(value, str) and value.startswith("/"):
    return value.rstrip("/").rsplit("/", 1)[-1]
  return value


def differences(there: dict, now: dict) -> list[tuple]:
  """(field, value there, value now) of all that matters and differs."""
  there, now = _common(comparable(there), comparable(now))
  if config_hash(there) == config_hash(now):
    return []
  return run_dir.differences(there, now)


def check_config(path, there: dict, now: dict) -> None:
  """Raises RecordMismatchError if two configs have `differences`.

  Args:
    path: what is named in the message.
    there: config of a record.
    now: the config it has to belong to.
  """
  fields = differences(there, now)
  if fields:
    shown = "\n".join(
        f"  {name}: {old} there, {new} now" for name, old, new in fields)
    raise RecordMismatchError(
        f"{path} is of another config:\n{shown}\nSet these fields back, or "
        "evaluate into another folder.")


def _common(*configs):
  """Without blocks that one version lacks and that are no stage of the run.

  A method that was added later adds a block to configs which do not train it.
  """
  stages = {name for c in configs for name in c.get("stages", ())}
  return tuple(
      {k: v for k, v in config.items()
       if not isinstance(v, dict) or k in stages
       or all(k in other for other in configs)}
      for config in configs)


def comparable(config: dict) -> dict:
  """The config without what does not matter; files by their own names."""
  def strip(value, field=""):
    if isinstance(value, dict):
      return {k: strip(v, f"{field}.{k}".lstrip(".")) for k, v in value.items()}
    if isinstance(value, str) and (
        value.endswith(_WEIGHTS) or field.startswith(_NAMED)):
      return value.rstrip("/").rsplit("/", 1)[-1]
    return value

  plain = strip(json.loads(json.dumps(config)))
  for block, names in _IRRELEVANT.items():
    fields = plain.get(block) if block else plain
    for name in names if isinstance(fields, dict) else ():
      fields.pop(name, None)
  return plain
