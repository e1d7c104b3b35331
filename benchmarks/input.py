r"""Speed of the input pipeline on one core, beside what a training step takes.

Synthetic JPEGs are written to a temporary folder, prepared as any data set is,
and read through the training pipeline without reading threads, so that seconds
of CPU time are seconds of one core, whatever else the machine does.

  python -m benchmarks.input --step_ms=656 --step_images=16
"""

import json
import os
import pathlib
import tempfile
import time
from typing import NamedTuple
from unittest import mock

from absl import app
from absl import flags
import numpy as np
from PIL import Image

from semseg_jax.data import geometry
from semseg_jax.data import pipeline
from semseg_jax.data.sets import folder

_FILES = flags.DEFINE_integer("files", 256, "JPEGs of each kind.")
_BATCH = flags.DEFINE_integer("per_batch", 16, "Images of a batch.")
_BATCHES = flags.DEFINE_integer("reads", 32, "Counted batches of each case.")
_STEP_MS = flags.DEFINE_float(
    "step_ms", 0, "Time of a training step (benchmarks.train_step); 0: none.")
_STEP_FILES = flags.DEFINE_integer(
    "step_images", 0, "Images a step takes from the pipeline; 0: a batch.")

_AUGMENT = pipeline.AugmentOptions(flip_labeled=0.5, affine=0.5)
_FLIP = pipeline.AugmentOptions(flip_labeled=0.5)
# kind -> (height, width) of the files
_SHAPES = {"faces": (256, 256), "scenes": (375, 500)}


class Case(NamedTuple):
  """A way of reading."""
  name: str
  kind: str
  labeled: bool
  memory: bool  # decoded images stay in memory, as where all fit
  options: dict


def cases() -> list[Case]:
  """Faces as SemanticGAN reads them, scenes as s4GAN reads VOC."""
  crop = geometry.Crop(
      shape=(321, 321), scales=tuple(np.arange(5, 17) / 10))
  affine = {"size": 256, "augment": _AUGMENT}
  crops = {"size": 321, "augment": _FLIP, "crop": crop}
  return [
      Case("faces, 256 px", "faces", False, False, affine),
      Case("faces, 256 px, masks, affine", "faces", True, False, affine),
      Case("faces, 256 px, masks, affine", "faces", True, True, affine),
      Case("scenes, 321 px crops", "scenes", False, False, crops),
      Case("scenes, 321 px crops, masks", "scenes", True, False, crops),
      Case("scenes, 321 px crops, masks", "scenes", True, True, crops)]


def write(root: pathlib.Path, kind: str, count: int) -> None:
  """A data set in the layout of `folder`: soft shapes with some grain."""
  height, width = _SHAPES[kind]
  for name in ("images", "masks", "splits"):
    (root / name).mkdir(parents=True)
  rng = np.random.default_rng(0)
  names = [f"{i:05d}" for i in range(count)]
  for name in names:
    coarse = rng.integers(0, 255, (12, 12, 3), np.uint8)
    image = np.asarray(Image.fromarray(coarse).resize(
        (width, height), Image.Resampling.BICUBIC)).astype(np.int16)
    image = np.clip(image + rng.integers(-8, 9, image.shape), 0, 255)
    Image.fromarray(image.astype(np.uint8)).save(
        root / f"images/{name}.jpg", quality=92)
    blocks = rng.integers(0, 8, (6, 6), np.uint8)
    Image.fromarray(blocks).resize(
        (width, height), Image.Resampling.NEAREST).save(
            root / f"masks/{name}.png")
  (root / "splits/train.txt").write_text("\n".join(names))
  (root / "classes.json").write_text(json.dumps({
      "classes": [str(i) for i in range(8)], "colours": [[0, 0, 0]] * 8}))


def measure(case: Case, source, batch: int, batches: int):
  """(images per second, images per second of CPU time)."""
  stream = "labeled" if case.labeled else "unlabeled"
  sizes = {"batch_size": batch, "unlabeled_batch_size": batch}
  limit = pipeline._CACHE_BYTES if case.memory else 0
  with mock.patch.object(pipeline, "_CACHE_BYTES", limit):
    reading = pipeline.train_batches(
        **{"labeled": None, "unlabeled": None, stream: source}, seed=0,
        **sizes, **case.options)
    rounds = -(-len(source) // batch) if case.memory else 1
    for _ in range(rounds):  # fills the memory
      next(reading)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(batches):
      next(reading)
    count = batch * batches
    return (count / (time.perf_counter() - wall),
            count / (time.process_time() - cpu))


def main(argv):
  if len(argv) > 1:
    raise app.UsageError(f"unknown argument {argv[1]!r}")
  wanted = _STEP_FILES.value or _BATCH.value
  rate = wanted / _STEP_MS.value * 1e3 if _STEP_MS.value else 0
  print(f"{_FILES.value} JPEGs of each kind ({_shapes()}), batches of "
        f"{_BATCH.value}, {os.cpu_count()} cores\n")
  with tempfile.TemporaryDirectory() as temporary:
    sources = {}
    for kind in _SHAPES:
      root = pathlib.Path(temporary) / kind
      write(root, kind, _FILES.value)
      start = time.process_time()
      opened = folder.open_folder(
          kind, root, cache_dir=str(root.parent / "cache"))
      sources[kind] = opened.splits["train"]
      speed = _FILES.value / (time.process_time() - start)
      print(f"{kind}: prepared {speed:.0f} images a core second")
    print("\n| case | from | images / s | images / core s |"
          + " cores for the step |" * bool(rate))
    print("|---|---|---|---|" + "---|" * bool(rate))
    for case in cases():
      wall, core = measure(
          case, sources[case.kind], _BATCH.value, _BATCHES.value)
      print(f"| {case.name} | {'memory' if case.memory else 'disk'} | "
            f"{wall:.0f} | {core:.0f} |"
            + (f" {rate / core:.2f} |" if rate else ""))
  if rate:
    print(f"\nA step of {_STEP_MS.value:g} ms with {wanted} images takes "
          f"{rate:.0f} images a second.")


def _shapes():
  return ", ".join(f"{kind} {w} x {h}" for kind, (h, w) in _SHAPES.items())


if __name__ == "__main__":
  app.run(main)
