"""Scores a predictor on a labeled split: resumable, at native image sizes.

Logits are resized to each image's own size before the decision, so that no
label map is ever resized. Confusion counts of each image go to chunk files;
all totals are computed from these alone.
"""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import functools
import re
import time

from etils import epath
import numpy as np

from semseg_jax.data import pipeline
from semseg_jax.data import sources
from semseg_jax.data import transforms
from semseg_jax.evaluation import cases
from semseg_jax.evaluation import figures
from semseg_jax.evaluation import overview
from semseg_jax.evaluation import summary
from semseg_jax.ops import image_ops
from semseg_jax.ops import scores
from semseg_jax.training import chunks
from semseg_jax.training import console
from semseg_jax.training import run_dir

# Seconds between two lines of progress.
_REPORT_EVERY = 5.0
_CONTENT = "content"  # of a chunk: what its images and labels were

Predict = Callable[
    [np.ndarray, np.ndarray], Mapping[str, Mapping[str, np.ndarray]]]


def evaluate(predict: Predict, source: sources.Source, *, spec, batch_size: int,
             size: int | tuple[int, int], out_dir, fingerprint: str,
             images: int = 16, split_ids: Sequence[str] = (),
             fill: tuple[int, ...] | None = None, process: int = 0,
             num_processes: int = 1) -> dict[str, dict]:
  """Labels every image of `source`, scores and draws the predictions.

  One batch is one chunk; a chunk that an earlier attempt with the same
  fingerprint finished is not predicted again, unless an image or a mask in it
  has changed since (of stored data sets). Of several processes each takes
  chunks of its own, waits for the files of the others, and has the totals.

  Args:
    predict: (images uint8 [B, S, S, C], indices int32 [B]) -> for each method
      {"logits": [B, S, S, K], and optionally "reconstruction": uint8
      [B, S, S, C] and "confidence": [B]}. B is always `batch_size`: the last
      batch repeats its last image, and its rows beyond the end are dropped.
      K is the number of classes, or 1 for a binary task. Unless images are
      padded, logits may have another scale than the images.
    source: labeled images.
    spec: the data set's `Spec`.
    batch_size: B.
    size: S, the side of the squares that `predict` gets; or (height, width).
    out_dir: folder for predictions/*.png, overview.png and chunks/.
    fingerprint: stands for all that the predictions depend on besides the
      arguments here: parameters, config, split.
    images: how many images, from the first on, get color, overlay and
      reconstruction files; index masks are written for all.
    split_ids: of all images, where `source` has only the first ones: then what
      is finished counts whatever their number.
    fill: a color; images are then padded to `size` with it, not resized.
    process, num_processes: which of the chunks are this process's, see
      `chunks.assigned`; `out_dir` is common to all processes.

  Returns:
    By method: see `summary.summarise`.

  Raises:
    ValueError: no labels, predictions of wrong shape, or another process is
      evaluating in `out_dir`. FloatingPointError: logits are not finite.
  """
  if not source.labeled or not len(source):
    raise ValueError(
        f"data set {spec.name!r}: scoring needs a split with labeled images")
  folder = epath.Path(out_dir)
  with (run_dir.alone(folder, "evaluating") if process == 0
        else contextlib.nullcontext()):
    (folder / "predictions").mkdir(parents=True, exist_ok=True)
    store = chunks.ChunkStore(
        folder / "chunks",
        # With what decides which rows a chunk holds and how they are counted.
        chunks.fingerprint([
            fingerprint, list(split_ids or source.ids), spec.name,
            list(spec.class_names), spec.ignore_index, batch_size, size,
            *([fill] if fill else [])]))
    names = file_names(source.ids)
    total = -(-len(source) // batch_size)
    assigned = chunks.assigned(total, process, num_processes)
    _fill(store, assigned, predict, source, spec, batch_size, (size, fill),
          folder, names, images)
    # Those of others may be of a former evaluation, until they are replaced.
    store.wait([k for k in range(total) if k not in assigned],
               lambda arrays: _same_content(arrays, source, batch_size))
    counts = _collect(store, total, folder)
    methods = counts.pop("methods")
    scored = {
        name: summary.summarise(
            counts[f"confusion/{name}"], spec.class_names,
            volumes=counts.get("volume"),
            confidence=counts.get(f"confidence/{name}"))
        for name in methods}
    if process == 0:
      files = stems(names, methods)
      confusion = {m: counts[f"confusion/{m}"] for m in methods}
      overview.draw(
          folder, source, spec=spec, images=images, stems=files,
          quality={m: summary.image_quality(x, spec.class_names)
                   for m, x in confusion.items()})
      cases.write(
          folder, source, spec=spec, files=files, confusion=confusion,
          confidence={m: counts[f"confidence/{m}"] for m in methods
                      if f"confidence/{m}" in counts})
  return scored


def file_names(ids) -> tuple[str, ...]:
  """A file name for each image id; ids that would share one are numbered."""
  return _distinct([_safe(i) for i in ids])


def stems(names: tuple[str, ...], methods) -> dict[str, tuple[str, ...]]:
  """By method, start of each image's files: names it if there are several.

  Args:
    names: of all images.
    methods: all, in any order.
  """
  return _stems(names, tuple(sorted(methods)))


@functools.lru_cache(maxsize=1)  # each chunk asks for them
def _stems(names, methods):
  if len(methods) == 1:
    return {methods[0]: names}
  files = _distinct([f"{n}_{_safe(m)}" for m in methods for n in names])
  return {m: files[i * len(names):(i + 1) * len(names)]
          for i, m in enumerate(methods)}


def _distinct(names: list[str]) -> tuple[str, ...]:
  """The names; a number follows those that were there before."""
  seen = set()
  for i in range(len(names)):
    while names[i] in seen:
      names[i] += f"-{i}"
    seen.add(names[i])
  return tuple(names)


def _safe(text) -> str:
  return re.sub(r"[^\w.-]", "_", text)


def _fill(store, assigned, predict, source, spec, batch_size, view, folder,
          names, images):
  """Predicts the `assigned` chunks that are missing; `view` is (size, fill)."""
  there = {path.name for path in (folder / "predictions").iterdir()}
  total = len(assigned)
  missing = [
      k for k in assigned
      if not (store.done(k) and _still_valid(
          store.load(k), source, batch_size, names, there))]
  if not missing:
    return
  store.drop_others(assigned)  # their masks are overwritten
  # Whole chunks in order: batches of this subset are again those chunks.
  rows = np.concatenate([
      np.arange(k * batch_size, min((k + 1) * batch_size, len(source)))
      for k in missing])
  progress = console.Progress("evaluate", total - len(missing), total)
  reported = time.monotonic()
  batches = pipeline.eval_batches(
      sources.Subset(source, rows), size=view[0], batch_size=batch_size,
      fill=view[1])
  for i, (k, batch) in enumerate(zip(missing, batches, strict=True)):
    index = rows[batch["index"]].astype(np.int32)
    predicted = predict(batch["image"], index)
    index = index[batch["mask"]]
    arrays, running = _score_chunk(
        predicted, index, source, spec, view, folder, names, images)
    store.save(k, arrays)
    if i + 1 == len(missing) or time.monotonic() - reported > _REPORT_EVERY:
      reported = time.monotonic()
      progress.report(total - len(missing) + i + 1, running)


def _still_valid(arrays, source, batch_size, names, there) -> bool:
  """Whether a finished chunk's images and their labels are what they were, and
  the index masks still in the folder."""
  files = stems(names, _methods(arrays))
  return _same_content(arrays, source, batch_size) and all(
      f"{of[i]}_index.png" in there
      for i in arrays["index"] for of in files.values())


def _same_content(arrays, source, batch_size) -> bool:
  """Whether a chunk's images and their labels are what they were."""
  index = arrays["index"]
  if len(index) != min(batch_size, len(source) - index[0]):
    return False  # the last chunk of more or fewer images
  if _CONTENT not in arrays:
    return True  # of a former version, or images that do not change
  now = sources.contents(source, index)
  return now is None or arrays[_CONTENT].tolist() == now


def _methods(arrays):
  return [k.split("/", 1)[1] for k in arrays if k.startswith("confusion/")]


def _score_chunk(predicted, index, source, spec, view, folder, names, images):
  """(arrays to keep, accuracy by method) of one batch; writes its masks."""
  examples = [source[int(i)] for i in index]
  arrays = {"index": index}
  if sources.facts(source) is not None:
    arrays[_CONTENT] = np.array([sources.content(x) for x in examples])
  if "volume" in examples[0]:
    arrays["volume"] = np.array([x["volume"] for x in examples])
  if not predicted:
    raise ValueError("predict returned no method")
  running = {}
  for method, outputs in predicted.items():
    # One transfer from the device each, not one a row.
    outputs = {name: np.asarray(x) for name, x in outputs.items()}
    logits = outputs["logits"]
    _check_logits(method, logits, spec, view)
    files = stems(names, predicted)[method]
    confusion = []
    for row, (example, i) in enumerate(zip(examples, index, strict=True)):
      label = example["label"]
      mask = image_ops.labels_at(
          logits[row], label.shape, padded=view[1] is not None,
          row=method).astype(np.uint8)
      confusion.append(scores.confusion_matrix(
          label, mask, len(spec.class_names), spec.ignore_index))
      path = folder / "predictions" / files[i]
      figures.save(f"{path}_index.png", mask)
      if "reconstruction" in outputs and i < images:
        figures.save(f"{path}_reconstruction.png",
                     outputs["reconstruction"][row])
    arrays[f"confusion/{method}"] = np.stack(confusion)
    running[f"accuracy {method}"] = float(
        scores.pixel_accuracy(sum(confusion)))
    if "confidence" in outputs:
      arrays[f"confidence/{method}"] = outputs["confidence"][
          :len(index)].astype(np.float64)
  return arrays, running


def _check_logits(method, logits, spec, view):
  classes = len(spec.class_names)
  allowed = (1, 2) if classes == 2 else (classes,)
  height, width = transforms.sides(view[0])
  rows, columns = logits.shape[1:3]
  # RepurposeGAN labels 1024 px at 512: what is not cut is resized anyway.
  fits = rows * width == columns * height and (
      view[1] is None or rows == height)
  if not fits or logits.shape[-1] not in allowed:
    raise ValueError(
        f"method {method!r}: logits {logits.shape} where [B, {height}, "
        f"{width}, K] with K in {allowed} is needed for data set {spec.name!r}")


def _collect(store, total, folder):
  """Arrays of all chunks, joined, and the names of the "methods"."""
  parts = [store.load(k) for k in range(total)]
  for part in parts:
    part.pop(_CONTENT, None)  # chunks of former versions have none
  keys = list(parts[0])
  if any(set(part) != set(keys) for part in parts):
    raise ValueError(
        f"{folder / 'chunks'} holds chunks of different methods; delete it "
        "and evaluate again")
  joined = {k: np.concatenate([part[k] for part in parts]) for k in keys}
  return joined | {"methods": _methods(joined)}
