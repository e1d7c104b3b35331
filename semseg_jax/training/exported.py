"""A run's networks in one safetensors file, read as if it were a run folder.

`NAME.safetensors/<stage>/ckpt` is then a folder of checkpoints with one step;
`checkpoint` reads it by the functions below.
"""

import importlib.resources
import json
from typing import Any
import uuid

from etils import epath
import flax.traverse_util
import jax
import numpy as np
import safetensors
from safetensors import numpy as safetensors_numpy

SUFFIX = ".safetensors"
_SHIPPED = "pretrained_models"
_FORMAT = "semseg_jax.run.2"


def shipped() -> dict[str, epath.Path]:
  """{name: file} of the models in the package; NAME.json tells of each."""
  folder = epath.Path(importlib.resources.files("semseg_jax") / _SHIPPED)
  return {p.stem: p for p in sorted(folder.glob(f"*{SUFFIX}"))
          } if folder.exists() else {}


def place(path) -> epath.Path:
  """Where a run is: its folder, an exported file, or that of a shipped name."""
  path = epath.Path(path).expanduser()
  return path if path.exists() else shipped().get(str(path), path)


def existing(path) -> epath.Path:
  """`place`, where something is.

  Raises:
    FileNotFoundError: nothing is there. ValueError: a file of another ending,
      which would be read as a folder.
  """
  there = place(path)
  if not there.exists():
    raise FileNotFoundError(
        f"{path}: no run folder, no exported file, and no shipped model "
        f"({', '.join(shipped()) or 'none is shipped'})")
  if not there.is_dir() and not is_file(there):
    raise ValueError(f"{path}: neither a run folder nor an exported model, "
                     f"whose name ends in {SUFFIX}")
  return there


def is_file(path) -> bool:
  """Whether a run's place is an exported file instead of a folder."""
  path = epath.Path(path)
  return path.suffix == SUFFIX and not path.is_dir()


def split(directory) -> tuple[epath.Path, str] | None:
  """(file, stage) of a checkpoint folder in an exported file; None: a folder.
  """
  path = epath.Path(directory)
  if path.name == "ckpt" and path.parents[1].suffix == SUFFIX:
    return path.parents[1], path.parent.name
  return None


def write(path, stages: dict[str, Any], meta: dict, *, dtype: str = "float32"):
  """Writes trees of arrays by stage, and what is said of them.

  Args:
    path: the file, ending in ".safetensors".
    stages: name -> pytree of arrays.
    meta: JSON values, kept beside the arrays.
    dtype: of floats in the file: "float32" or "float16"; read as float32.

  Raises ValueError: the path ends otherwise.
  """
  path = epath.Path(path).expanduser()
  if path.suffix != SUFFIX:
    raise ValueError(f"{path}: an exported model's name ends in {SUFFIX}")
  arrays = {}
  for stage, tree in stages.items():
    for name, leaf in _flat(tree).items():
      leaf = np.asarray(leaf)
      # What half precision cannot hold, such as a variance, stays whole.
      if leaf.dtype == np.float32 and (
          np.abs(leaf).max(initial=0) <= np.finfo(dtype).max):
        leaf = leaf.astype(dtype)
      arrays[f"{stage}/{name}"] = np.array(leaf, order="C")
  path.parent.mkdir(parents=True, exist_ok=True)
  temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
  try:
    # Not `save_file`, whose files only their owner may read.
    temporary.write_bytes(safetensors_numpy.save(
        arrays, {"format": _FORMAT, "meta": json.dumps(meta, sort_keys=True)}))
    temporary.replace(path)
  finally:
    temporary.unlink(missing_ok=True)


def read_meta(path) -> dict:
  """What `write` was told of the file.

  Raises ValueError: the file is damaged, or something else.
  """
  try:
    with safetensors.safe_open(str(path), "np") as file:
      told = file.metadata() or {}
  except safetensors.SafetensorError as error:
    raise ValueError(f"{path} is damaged or no safetensors file "
                     f"({error})") from error
  if told.get("format") != _FORMAT:
    raise ValueError(
        f"{path} is no exported model: make one with model.export(...); files "
        "of `convert` are read by the config's *.weights fields")
  return json.loads(told["meta"])


def config(path) -> dict:
  """Plain values of the file's config, whose files are those within it."""
  path, meta = epath.Path(path).resolve(), read_meta(path)
  for field in meta["files"]:
    block, _, name = field.rpartition(".")
    meta["config"][block][name] = f"{path}#{field}"
  return meta["config"]


def steps(file, stage: str) -> list[int]:
  """[step] of the stage in an exported file; [] if it is not there."""
  step = read_meta(file)["steps"].get(stage)
  return [] if step is None else [step]


def saved_at(file, stage: str) -> int:
  """When the stage was saved; 0: not known, as in files of former versions."""
  return read_meta(file).get("saved_at", {}).get(stage, 0)


def read(file, stage: str, abstract):
  """The part `abstract` (of `jax.ShapeDtypeStruct`) of a stage's arrays.

  Raises ValueError: an array is missing or has another shape.
  """
  wanted = _flat(abstract)
  with safetensors.safe_open(str(file), "np") as opened:
    names = set(opened.keys())
    arrays = {}
    for name, leaf in wanted.items():
      key = f"{stage}/{name}"
      if key not in names:
        raise ValueError(f"{file} has no array {key}, which the config "
                         "needs: set its fields back, or export it again")
      value = opened.get_tensor(key)
      if value.shape != tuple(leaf.shape):
        raise ValueError(f"{file}: {key} has shape {value.shape}, the config "
                         f"says {tuple(leaf.shape)}")
      arrays[name] = jax.numpy.asarray(value, leaf.dtype)
  return jax.tree.unflatten(
      jax.tree.structure(abstract), list(arrays.values()))


def read_all(file, stage: str) -> dict[str, Any]:
  """A stage's arrays as nested dicts, floats as float32."""
  flat = {}
  with safetensors.safe_open(str(file), "np") as opened:
    for name in opened.keys():
      owner, _, path = name.partition("/")
      if owner == stage:
        value = opened.get_tensor(name)
        flat[path] = value.astype(
            np.float32) if value.dtype == np.float16 else value
  return flax.traverse_util.unflatten_dict(flat, sep="/")


def _flat(tree) -> dict[str, Any]:
  """{"a/0/b": leaf}, in the order of the leaves."""
  return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf
          for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}
