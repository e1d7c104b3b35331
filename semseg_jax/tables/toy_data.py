"""Toy data in the `folder` layout, for tables at toy size."""

from collections.abc import Sequence
import dataclasses
import hashlib
import itertools
import json
import pathlib

import numpy as np
from PIL import Image

from semseg_jax.tables import definition
from semseg_jax.tables import runs

_IMAGES = {"train_labeled": 10, "unlabeled": 12}  # Others have 6.
_SIDE = 48
_CLASSES = 10  # as many as a table scores


def folder(path: pathlib.Path, *, classes: Sequence[str], channels: int,
           splits: Sequence[str]) -> pathlib.Path:
  """Writes a small random data set; classes are colors with noise.

  Args:
    path: where; made if absent.
    classes: names.
    channels: of the images, 1 or 3.
    splits: to write besides `train_labeled` and `unlabeled`.

  Returns `path`.
  """
  rng = np.random.default_rng(0)
  colors = rng.integers(0, 256, (len(classes), 3))
  for name in ("images", "masks", "splits"):
    (path / name).mkdir(parents=True, exist_ok=True)
  volumes = {}
  for split in dict.fromkeys((*_IMAGES, *splits)):
    ids = [f"{split}_{i}" for i in range(_IMAGES.get(split, 6))]
    for i, name in enumerate(ids):
      volumes[name] = f"{split}_{i // 3}"
      mask = rng.integers(0, len(classes), (6, 6)).astype(np.uint8)
      mask = mask.repeat(_SIDE // 6, 0).repeat(_SIDE // 6, 1)
      noise = rng.normal(0, 20, (_SIDE, _SIDE, 3))
      image = np.clip(colors[mask] + noise, 0, 255).astype(np.uint8)
      if channels == 1:
        image = image[..., 0]
      Image.fromarray(image).save(path / "images" / f"{name}.png")
      Image.fromarray(mask).save(path / "masks" / f"{name}.png")
    (path / "splits" / f"{split}.txt").write_text("\n".join(ids) + "\n")
  (path / "classes.json").write_text(json.dumps({
      "classes": list(classes), "colours": colors.tolist(),
      "channels": channels}))
  (path / "volumes.json").write_text(json.dumps(volumes))
  return path


def on_toy_data(plain: dict, splits: Sequence[str], classes: Sequence[str],
                root: pathlib.Path) -> dict:
  """Fields that let a config run on a toy data set of its own kind.

  Args:
    plain: the config as nested dicts.
    splits: to be there besides those the config names.
    classes: names of classes that must be among them.
    root: folder for the data sets.
  """
  data = plain["data"]
  names = list(classes)[:data["num_classes"]]
  names += [f"class{i}" for i in range(len(names), data["num_classes"])]
  splits = sorted({data["validation"], data["in_domain"],
                   *data["out_of_domain"], *splits})
  text = "_".join((*names, str(data["channels"]), *splits))
  # Equal data sets are written once; a folder's name has a limit.
  path = root / hashlib.sha256(text.encode()).hexdigest()[:16]
  if not (path / "classes.json").exists():
    folder(path, classes=names, channels=data["channels"], splits=splits)
  fields = {"data.name": "folder", "data.data_dir": str(path)}
  for field, available in (("num_labeled", _IMAGES["train_labeled"]),
                           ("num_unlabeled", _IMAGES["unlabeled"])):
    if data[field] < 0 or data[field] > available:
      fields[f"data.{field}"] = available
  return fields


def shrink(table: definition.Table, folders: runs.Folders, root: pathlib.Path
           ) -> definition.Table:
  """The table with `smoke` configs on toy data, and one seed.

  Rows whose config does not exist stay as they are.
  """
  def small(row):
    smoke = dict(row.arguments) | {"smoke": True}
    needs = tuple({**n, "arguments": {**n.get("arguments", {}), "smoke": True}}
                  for n in row.needs)
    # Numbers among the changed fields are sizes: smoke has its own.
    changed, scoring = ({k: v for k, v in fields.items()
                         if not isinstance(v, int | float)}
                        for fields in (row.overrides, row.scoring))
    evaluate = row.evaluate
    if "study=few_shot" in evaluate:
      evaluate += " --updates=10 --trials=1"
    if "study=" in evaluate and not any(n["stage"] == "gan" for n in needs):
      # Smoke configs use no shipped generator.
      changed["stages"] = ("gan", *changed["stages"])
    row = dataclasses.replace(
        row, arguments=smoke, files={}, needs=needs, overrides=changed,
        evaluate=evaluate, scoring=scoring)
    if not row.config:
      return row
    changes = {}
    for column in table.columns:
      run = definition.run_of(row, column, table.seeds[0])
      try:
        plain = runs.plain_config(run, folders, table)
      except FileNotFoundError:
        return row
      # Binary or not is all that matters: more runs are the same.
      if plain["data"]["num_classes"] > 2:
        plain["data"]["num_classes"] = _CLASSES
        changes["data.num_classes"] = _CLASSES
      changes = on_toy_data(plain, [c.split for c in table.columns],
                            _classes(table), root) | changes
    return dataclasses.replace(row, overrides={**row.overrides, **changes})

  return dataclasses.replace(
      table, seeds=table.seeds[:1], rows=tuple(map(small, table.rows)),
      data=False)


def _classes(table):
  """Names of the classes that a table's columns score."""
  metrics = [c.metric.split(".") for c in table.columns]
  return sorted(itertools.chain.from_iterable(
      m[1:] for m in metrics if m[0] == "per_class_iou"))
