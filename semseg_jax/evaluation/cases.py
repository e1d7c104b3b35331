"""Scores of single images, and the images worth looking at, kept as files.

An evaluation keeps index masks of all images but needs the data set to show
them. `write` stores what a page about the run shows, so that the run's folder
is enough.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import json
from typing import NamedTuple

from etils import epath
import numpy as np

from semseg_jax.evaluation import figures
from semseg_jax.evaluation import summary
from semseg_jax.ops import scores
from semseg_jax.training import run_dir

_FILE = "cases.json"
_FIRST = 8  # Images shown whatever their scores.
_EXTREMES = 4  # Best, and worst, images of each method.


class Method(NamedTuple):
  """Scores of one method, a number for each image.

  quality: foreground IoU, or pixel accuracy where that is undefined.
  accuracy: share of pixels with the right class; NaN: none is scored.
  confidence: of the method, whatever its unit; None: it has none.
  files: start of the names of an image's files in predictions/.
  """
  quality: np.ndarray
  accuracy: np.ndarray
  confidence: np.ndarray | None
  files: tuple[str, ...]


class Cases(NamedTuple):
  """What `write` stored of a split.

  shown: image number -> why it is shown: "first", "worst:METHOD",
    "best:METHOD".
  colors: uint8 [C, 3].
  """
  classes: tuple[str, ...]
  colors: np.ndarray
  ignore_index: int
  ids: tuple[str, ...]
  methods: dict[str, Method]
  shown: dict[int, tuple[str, ...]]


def write(folder, source, *, spec, files: Mapping[str, Sequence[str]],
          confusion: Mapping[str, np.ndarray],
          confidence: Mapping[str, np.ndarray]) -> None:
  """Writes cases.json and cases/<number>_{image,truth}.png.

  Args:
    folder: of the evaluation of one split.
    source: its labeled images.
    spec: the data set's `Spec`.
    files: by method, start of each image's file names in predictions/.
    confusion: by method, [N, C, C] counts.
    confidence: [N] of the methods that have one.
  """
  folder = epath.Path(folder)
  quality = {m: summary.image_quality(x, spec.class_names)
             for m, x in confusion.items()}
  shown = choose(quality)
  (folder / "cases").mkdir(parents=True, exist_ok=True)
  for i in shown:
    figures.save(folder / "cases" / f"{i}_image.png", source[i]["image"])
    figures.save(folder / "cases" / f"{i}_truth.png",
                 source[i]["label"].astype(np.uint8))
  run_dir.write_json(folder / _FILE, {
      "classes": list(spec.class_names),
      "colors": np.asarray(spec.colors).tolist(),
      "ignore_index": spec.ignore_index,
      "ids": list(source.ids),
      "methods": {
          name: {
              "quality": _plain(quality[name]),
              "accuracy": _plain(scores.pixel_accuracy(counts)),
              "confidence": (_plain(confidence[name])
                             if name in confidence else None),
              "files": list(files[name])}
          for name, counts in confusion.items()},
      "shown": {str(i): list(reasons) for i, reasons in shown.items()}})


def choose(quality: Mapping[str, np.ndarray]) -> dict[int, tuple[str, ...]]:
  """Which images are shown and why: the first, each method's worst and best.

  Args:
    quality: by method, [N]; images that are not a number are no extremes.
  """
  count = len(next(iter(quality.values())))
  reasons = {i: ["first"] for i in range(min(_FIRST, count))}
  for name, values in quality.items():
    order = np.argsort(values, kind="stable")
    order = order[np.isfinite(values[order])]
    extremes = min(_EXTREMES, len(order) // 2)
    for why, numbers in (("worst", order[:extremes]),
                         ("best", order[::-1][:extremes])):
      for i in numbers.tolist():
        reasons.setdefault(i, []).append(f"{why}:{name}")
  return {i: tuple(reasons[i]) for i in sorted(reasons)}


def read(folder) -> Cases | None:
  """What `write` left in the folder of an evaluation; None: nothing."""
  path = epath.Path(folder) / _FILE
  if not path.exists():
    return None
  x = json.loads(path.read_text())
  return Cases(
      classes=tuple(x["classes"]), colors=np.array(x["colors"], np.uint8),
      ignore_index=x["ignore_index"], ids=tuple(x["ids"]),
      methods={
          name: Method(
              quality=_array(m["quality"]), accuracy=_array(m["accuracy"]),
              confidence=(None if m["confidence"] is None
                          else _array(m["confidence"])),
              files=tuple(m["files"]))
          for name, m in x["methods"].items()},
      shown={int(i): tuple(reasons) for i, reasons in x["shown"].items()})


def _plain(values):
  """JSON knows no NaN."""
  return [float(x) if np.isfinite(x) else None for x in values]


def _array(values):
  return np.array([np.nan if x is None else x for x in values], np.float64)
