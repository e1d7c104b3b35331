"""Writes the labels that a predictor finds for images without masks."""

import json
import time

from absl import logging
from etils import epath
import numpy as np

from semseg_jax.data import errors
from semseg_jax.data import pipeline
from semseg_jax.data import sources
from semseg_jax.evaluation import figures
from semseg_jax.ops import image_ops
from semseg_jax.training import console
from semseg_jax.training import run_dir

_FILE = "labels.json"


def write(predict, source, *, method: str, spec, batch_size: int, size: int,
          out_dir, fingerprint: str) -> dict:
  """Labels every image of `source` into files; finished ones are reused.

  Args:
    predict: as in `segmentation.evaluate`.
    source: images; labels are not asked for.
    method: which of the predictor's methods is written.
    spec: the data set's `Spec`, for colours.
    batch_size: images per call of `predict`.
    size: side of the squares that `predict` gets.
    out_dir: folder for <id>_{index,color,overlay,reconstruction}.png and
      labels.json.
    fingerprint: stands for the run; labels of another run are made anew.

  Returns:
    What labels.json holds: {"fingerprint", "method", "classes",
    "confidence": {id: float or None}, "unreadable": {id: what is wrong}}.
    Images that cannot be read are named and left out.

  Raises:
    OSError: `out_dir` cannot be written to.
  """
  folder = epath.Path(out_dir)
  try:
    folder.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise OSError(f"--out: {folder} cannot be written to "
                  f"({error.strerror or error})") from error
  record = _read(folder / _FILE)
  if record.get("fingerprint") != fingerprint:
    record = {"fingerprint": fingerprint, "method": method,
              "classes": list(spec.class_names), "confidence": {}}
  missing = [i for i, name in enumerate(source.ids)
             if name not in record["confidence"]
             or not (folder / f"{name}_index.png").exists()]
  record["unreadable"] = unreadable = {}
  missing = [i for i in missing if _readable(source, i, unreadable)]
  if unreadable:
    run_dir.write_json(folder / _FILE, record)
  if not missing:
    if unreadable and not record["confidence"]:
      raise errors.DataError(
          f"none of {len(source)} images can be read; the first: "
          f"{next(iter(unreadable.values()))}")
    return record
  total = -(-len(missing) // batch_size)
  progress = console.Progress("label", 0, total)
  batches = pipeline.eval_batches(
      sources.Subset(source, missing), size=size, batch_size=batch_size)
  reported = time.monotonic()
  for number, batch in enumerate(batches):
    index = np.asarray(missing, np.int32)[batch["index"]]
    outputs = predict(batch["image"], index)[method]
    for row, i in enumerate(index[batch["mask"]]):
      confidence = _write_one(folder, source[int(i)], outputs, row, spec)
      record["confidence"][source.ids[i]] = confidence
    run_dir.write_json(folder / _FILE, record)
    if number + 1 == total or time.monotonic() - reported > 5.0:
      reported = time.monotonic()
      progress.report(number + 1, {})
  return record


def _readable(source, index, unreadable) -> bool:
  """Whether an image can be read; what is wrong goes to `unreadable`."""
  try:
    source[index]
    return True
  except errors.DataError as error:
    unreadable[source.ids[index]] = str(error)
    logging.warning("left out: %s", error)
    return False


def _write_one(folder, example, outputs, row, spec):
  image, name = example["image"], example["id"]
  label = image_ops.to_label(image_ops.resize_logits(
      np.asarray(outputs["logits"][row]), image.shape[:2]))
  color = image_ops.colorize(label, spec.colors)
  if "reconstruction" in outputs:
    figures.save(folder / f"{name}_reconstruction.png",
                 np.asarray(outputs["reconstruction"][row]))
  figures.save(folder / f"{name}_color.png", color)
  figures.save(folder / f"{name}_overlay.png", image_ops.overlay(image, color))
  figures.save(folder / f"{name}_index.png", label.astype(np.uint8))
  if "confidence" not in outputs:
    return None
  return float(outputs["confidence"][row])


def _read(path) -> dict:
  try:
    return json.loads(path.read_text())
  except (FileNotFoundError, json.JSONDecodeError):
    return {}
