"""Reads a run's folder: its stages, its evaluations, how it was started."""

import re
from typing import NamedTuple

from etils import epath

from semseg_jax.evaluation import cases
from semseg_jax.evaluation import record as records
from semseg_jax.training import run_dir
from semseg_jax.training import writers

_SAMPLE = re.compile(r"(?P<name>.+)_(?P<step>\d{7,})\.png")


class Stage(NamedTuple):
  """A stage's folder.

  done: steps after which it was finished; None: it was not.
  adopted: the model that it was taken from; None: trained here.
  compiled: phase -> {"seconds", "flops"}.
  metrics: the lines of metrics.jsonl.
  samples: name -> [(step, file)] by step.
  """
  name: str
  done: int | None
  adopted: str | None
  config: dict
  overrides: dict
  versions: dict
  compiled: dict
  metrics: list[dict]
  samples: dict[str, list[tuple[int, epath.Path]]]


class Split(NamedTuple):
  """The evaluation of one split.

  name: the split's; of a study "SPLIT, STUDY".
  cases: None where the evaluation kept no images to show.
  roc: {class: (false, true positive rates)} by stage, or {}.
  """
  name: str
  folder: epath.Path
  record: records.Record
  cases: cases.Cases | None
  roc: dict


class Run(NamedTuple):
  """A run's folder; stages in order of training, in-domain splits first."""
  folder: epath.Path
  stages: list[Stage]
  splits: list[Split]
  config: dict
  commands: list[dict]


def read(workdir) -> Run:
  """Reads what a run left in its folder, finished or not.

  Raises:
    FileNotFoundError: the folder holds no stage and no evaluation.
    ValueError: a record of another version, see `record.load`.
  """
  workdir = run_dir.absolute(workdir)
  stages, splits = _stages(workdir), _splits(workdir)
  if not stages and not splits:
    if runs := sorted(x.parent.name for x in workdir.glob("*/config.json")):
      raise FileNotFoundError(
          f"{workdir}: a folder of runs; give one of {', '.join(runs)}")
    raise FileNotFoundError(
        f"{workdir}: no run is there (no stage's config.json, no record in "
        "eval/); give the folder that was the --workdir of training")
  config = splits[0].record.config if splits else _json(
      workdir / "config.json")
  for stage in stages:
    config = stage.config | config
  order = list(config.get("stages", ()))
  stages.sort(key=lambda s: (
      order.index(s.name) if s.name in order else len(order), s.name))
  inside = config.get("data", {}).get("in_domain", "")
  splits.sort(key=lambda s: (s.name != inside, s.name))
  return Run(workdir, stages, splits, config, run_dir.commands(workdir))


def _stages(workdir) -> list[Stage]:
  return [
      Stage(
          name=folder.name, done=run_dir.done_step(folder),
          adopted=run_dir.adopted(folder),
          config=_json(folder / "config.json"),
          overrides=_json(folder / "overrides.json"),
          versions=_json(folder / "versions.json"),
          compiled=_json(folder / "compile.json"),
          metrics=writers.read_metrics(folder / "metrics.jsonl"),
          samples=_samples(folder / "samples"))
      for folder in sorted(path.parent for path in workdir.glob(
          "*/config.json")) if not _is_run(folder)]


def _is_run(folder) -> bool:
  """Whether a folder is a whole run's, and no stage's."""
  return "stages" in _json(folder / "config.json")


def _splits(workdir) -> list[Split]:
  """Evaluations, and studies that give each method one score."""
  splits = []
  for path in sorted([*workdir.glob("eval/*/record.json"),
                      *workdir.glob("*/eval/*/record.json")]):
    folder, record = path.parent, records.load(path.parent)
    study = record.study
    # A study's folder has its name; another one with evaluations is a run.
    if folder.parent.parent not in (workdir, workdir / study):
      continue
    if all("miou" in scores for scores in record.methods.values()):
      splits.append(Split(
          name=f"{folder.name}, {study}" if study else folder.name,
          folder=folder, record=record, cases=cases.read(folder),
          roc=_json(folder / "roc.json")))
  return splits


def _samples(folder) -> dict:
  samples: dict[str, list[tuple[int, epath.Path]]] = {}
  for path in sorted(folder.glob("*.png")):
    match = _SAMPLE.fullmatch(path.name)
    if match:
      samples.setdefault(match["name"], []).append((int(match["step"]), path))
  return {name: sorted(files, key=lambda f: f[0])
          for name, files in samples.items()}


def _json(path) -> dict:
  """What a file holds; an interrupted run may lack it."""
  return run_dir.read_json(path, {})
