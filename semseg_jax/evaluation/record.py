"""The record of one evaluation: scores and all that is needed to trust them."""

import dataclasses
import hashlib
import json
import time

from etils import epath

from semseg_jax.training import run_dir

_FILE = "record.json"
# Fields of `data` that say where things lie, not what they are.
_PLACES = ("cache_dir", "data_dir", "workers")


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


def make(
    methods: dict, *, config: dict, split: str, seconds: float,
    checkpoint_step: int | None = None, extra: dict | None = None) -> Record:
  """A record of scores got just now, on this machine, by this code."""
  return Record(
      methods=methods,
      config=config,
      config_hash=config_hash(config),
      split=split,
      checkpoint_step=checkpoint_step,
      seconds=round(seconds, 3),
      versions=run_dir.versions(),
      finished=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
      extra=extra or {})


def save(folder, record: Record) -> None:
  """Writes record.json into `folder`, whole or not at all."""
  folder = epath.Path(folder)
  folder.mkdir(parents=True, exist_ok=True)
  run_dir.write_json(folder / _FILE, dataclasses.asdict(record))


def load(folder, *, config: dict | None = None) -> Record:
  """Reads the record in `folder`.

  Args:
    folder: where `save` put it.
    config: if given, the config that the record has to belong to, apart from
      the places of files.

  Raises:
    FileNotFoundError: there is none.
    RecordMismatchError: it is of another config, or was edited by hand.
    ValueError: the file is not a record.
  """
  path = epath.Path(folder) / _FILE
  if not path.exists():
    raise FileNotFoundError(f"{path}: no record; run the evaluation first")
  try:
    record = Record(**json.loads(path.read_text()))
  except (json.JSONDecodeError, TypeError) as error:
    raise ValueError(
        f"{path} is not a record of this version ({error}); delete it and "
        "evaluate again") from error
  if config_hash(record.config) != record.config_hash:
    raise RecordMismatchError(
        f"{path}: its config does not have the hash it states "
        f"({record.config_hash}); delete it and evaluate again")
  if config is not None:
    check_config(path, record.config, config)
  return record


def check_config(path, there: dict, now: dict) -> None:
  """Raises RecordMismatchError unless two configs are `comparable` to equal.

  Args:
    path: what is named in the message.
    there: config of a record.
    now: the config it has to belong to.
  """
  there, now = comparable(there), comparable(now)
  if config_hash(there) != config_hash(now):
    fields = run_dir.differences(there, now)
    shown = "\n".join(
        f"  {name}: {old} there, {new} now" for name, old, new in fields)
    raise RecordMismatchError(
        f"{path} is of another config:\n{shown}\nSet these fields back, or "
        "evaluate into another folder.")


def comparable(config: dict) -> dict:
  """The config without places: no data folders, weights by file name."""
  def strip(value):
    if isinstance(value, dict):
      return {k: strip(v) for k, v in value.items()}
    if isinstance(value, str) and value.endswith(".safetensors"):
      return value.rsplit("/", 1)[-1]
    return value

  plain = strip(json.loads(json.dumps(config)))
  if isinstance(plain.get("data"), dict):
    for name in _PLACES:
      plain["data"].pop(name, None)
  return plain
