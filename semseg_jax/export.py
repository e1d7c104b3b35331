"""One file that holds what a trained model's methods need."""

import json

from etils import epath
import numpy as np

from semseg_jax import stages
from semseg_jax.interop import torch_files
from semseg_jax.methods.common import trained
from semseg_jax.methods.semantic_gan import labeling
from semseg_jax.training import checkpoint
from semseg_jax.training import exported
from semseg_jax.training import run_dir

# What runs with labels make of one without, which has no methods itself.
_OF_OTHERS = ("encoder", "inversion")


def write(model, path, dtype: str, methods: tuple[str, ...]) -> None:
  """See `api.Model.export`.

  Raises ValueError: another dtype, or nothing to export. FileNotFoundError: a
  stage that the methods need is not in the run that config.labels.run names.
  """
  if dtype not in ("float32", "float16"):
    raise ValueError(f"dtype is {dtype!r}; use 'float32' or 'float16'")
  config = model.config
  names = _stages(config, methods)
  trees, steps, saved_at = {}, {}, {}
  folders = _checkpoints(config, model.workdir)
  generator = "gan" in folders or config.get("generator", {}).get("weights", "")
  if not methods and not generator:
    raise ValueError(f"{model.workdir}: no stage that labels images is trained "
                     "there, and no generator: there is nothing to export")
  _check(config, methods, folders)
  for name, folder in folders.items():
    if name not in names:
      continue
    steps[name] = checkpoint.best(folder)
    saved_at[name] = checkpoint.saved_at(folder)
    # The generator and heads are the newest ones, as where they are loaded.
    step = checkpoint.latest(folder) if stages.of(
        config, name).best_metric is None or name == "segmenter" else (
            steps[name])
    parts = stages.of(config, name).parts(config, methods or _OF_OTHERS)
    trees[name] = {k: v for k, v in checkpoint.restore_all(
        folder, step=step).items() if k in parts}
    if beside := stages.of(config, name).beside:
      trees[name] |= beside(config, model.workdir)
  files, metadata = _files(config)
  plain = json.loads(config.to_json_best_effort())
  for field in {*run_dir.PATHS, *files}:
    block, _, name = field.rpartition(".")
    if name in plain.get(block, {}):
      plain[block][name] = ""
  exported.write(path, trees | ({"files": files} if files else {}), {
      # Names of images may be those of patients.
      "config": plain, "dataset": {
          k: v for k, v in model.dataset.items() if k != "labeled"},
      "steps": steps, "saved_at": saved_at,
      "scores": {k: v for k, v in model.methods.items() if k in methods},
      "files": metadata, "record": record(config, model.workdir)}, dtype=dtype)


def record(config, workdir) -> dict:
  """How a run was made, and its results: {"commands", "results", "versions"}.

  `commands` are first those of the run with its generator, if it is another's;
  `results` is {split: {method: mean IoU}} of its evaluations.
  """
  results = {}
  for path in sorted(workdir.glob("eval/*/record.json")):
    methods = json.loads(path.read_text())["methods"]
    results[path.parent.name] = {
        k: round(v["miou"], 4) for k, v in methods.items() if "miou" in v}
  runs = [workdir]
  if other := config.get("labels", {}).get("run", ""):
    runs.insert(0, exported.place(other))
  return {"commands": [x for run in runs for x in _commands(run)],
          "results": results,
          "versions": json.loads((workdir / "versions.json").read_text())}


def _commands(run) -> list[str]:
  """Those that made a run, of an exported file as it tells them."""
  if exported.is_file(run):
    return exported.read_meta(run)["record"]["commands"]
  return [x["command"] for x in run_dir.commands(run)]


def _stages(config, methods) -> set[str]:
  """Stages that give the methods, and those that others are made from."""
  methods = methods or _OF_OTHERS
  wanted = {*methods, *(part for row in methods for part in row.split("+"))}
  names = {"gan", "label_head"}  # of samples
  inverted = _inverted(methods)
  for name in (*config.stages, "gan", "encoder"):
    if name in stages.METHODS[config.method]:
      rows = stages.of(config, name).rows(config, name)
      unused = name == "encoder" and config.method == "semantic_gan" and (
          not inverted)
      if wanted & set(rows) or not (rows or unused):
        names.add(name)
  return names


def _check(config, methods, folders):
  """Raises where rows of inversion lack a stage of another run."""
  other = config.get("labels", {}).get("run", "")
  if not other or not _inverted(methods):
    return
  needed = ("gan", *(("encoder",) if labeling.uses_encoder(config) else ()))
  for name in needed:
    if name not in folders:
      raise FileNotFoundError(
          f"config.labels.run: {other} has no trained stage {name!r}, which "
          f"{', '.join(methods)} need")


def _inverted(methods) -> bool:
  return any(
      row in ("encoder", "start") or "inversion" in row for row in methods)


def _checkpoints(config, workdir) -> dict[str, epath.Path]:
  """{trained stage: its checkpoints}, also of the run with the generator."""
  folders = {name: workdir / name / "ckpt" for name in config.stages}
  if other := config.get("labels", {}).get("run", ""):
    # Fewshot-SMIS's own stage of that name encodes layouts.
    images = ("gan", "encoder") if config.method == "semantic_gan" else ("gan",)
    folders |= {
        name: exported.place(other) / name / "ckpt" for name in images}
  return {k: v for k, v in folders.items() if checkpoint.exists(v)}


def _files(config) -> tuple[dict, dict]:
  """({field: {entry: array}}, {field: metadata}) of files that are named."""
  values = trained.files(config) | {
      f"pretrained.{k}": v for k, v in config.get("pretrained", {}).items()}
  files, metadata = {}, {}
  for field, path in values.items():
    if not path:
      continue
    if ".safetensors" in path:
      entries, metadata[field] = torch_files.load_safetensors(path)
    else:
      entries, metadata[field] = torch_files.load(path), {}
    files[field] = {k: np.asarray(v) for k, v in entries.items()}
  return files, metadata
