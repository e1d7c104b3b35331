r"""What inversion gains with every step and second, by optimiser.

Labels images of a split with a trained SemanticGAN run and prints mIoU after
each of `config.inversion.snapshots`, as eval.py scores it; table and plot go to
WORKDIR/inversion_curve. Seconds are those of an image in a full batch, in wall
time and of one core; start, rendering and confidence are spread over the steps,
compilation is left out where there are two batches or more.

  python -m benchmarks.inversion_curve --workdir=runs/demo/seed0 \
      --config=configs/semantic_gan/toy_faces.py:labels=20 --split=val \
      --optimizers=adam,adam:0.3,lbfgs --config.evaluation.limit=32 \
      --config.inversion.snapshots="(10,25,50)" --config.inversion.steps=100

Optimisers, with a rate if one is given: adam (the paper's, with the config's
rate and its ramps), lbfgs (`inversion.lbfgs`).
"""

import copy
import pathlib
import re
import statistics
import tempfile
import time

from absl import app
from absl import flags
from ml_collections import config_flags

from semseg_jax import experiment
from semseg_jax import inversion
from semseg_jax.cli import arguments
from semseg_jax.cli import launcher
from semseg_jax.evaluation import figures
from semseg_jax.evaluation import plots
from semseg_jax.evaluation import segmentation
from semseg_jax.evaluation import tables
from semseg_jax.methods.common import data
from semseg_jax.methods.semantic_gan import labeling


def chosen(config, name: str):
  """(config, optimiser) that a name with or without a rate stands for."""
  kind, _, rate = name.partition(":")
  if kind == "adam":
    config = copy.deepcopy(config)
    if rate:
      config.inversion.learning_rate = float(rate)
    return config, None
  if kind == "lbfgs":
    return config, inversion.lbfgs(**({"rate": float(rate)} if rate else {}))
  raise ValueError(f"optimiser {name!r}: use adam or lbfgs, or with a rate as "
                   "in adam:0.3")


def measure(config, workdir, split: str, name: str) -> list[dict]:
  """A row for each number of steps: mIoU, seconds of an image."""
  config, optimizer = chosen(config, name)
  source = experiment.limited(data.evaluation_source(config, split), config)
  predict, taken = labeling.predictor(config, workdir, optimizer), []

  def timed(images, indices):
    start = time.perf_counter(), time.process_time()
    predicted = predict(images, indices)
    taken.append((time.perf_counter() - start[0],
                  time.process_time() - start[1]))
    return predicted

  with tempfile.TemporaryDirectory() as folder:
    scores = segmentation.evaluate(
        timed, source, spec=data.dataset(config).spec,
        batch_size=config.evaluation.batch_size,
        size=data.evaluation_shape(config), fill=data.padding(config),
        out_dir=folder, fingerprint=name, images=0)
  wall, core = (statistics.median(x) / config.evaluation.batch_size
                for x in zip(*taken[1:] or taken, strict=True))
  steps = {labeling.method_name(config, n): n for n in (
      0, *config.inversion.snapshots, config.inversion.steps)}
  total = max(config.inversion.steps, 1)
  return [{"optimizer": name, "steps": n, "miou": round(scores[m]["miou"], 4),
           "seconds": round(wall * n / total, 4),
           "core_seconds": round(core * n / total, 4)}
          for m, n in sorted(steps.items(), key=lambda x: x[1])]


def plot(rows):
  """mIoU against steps, and against seconds of one core, uint8 [H, W, 3]."""
  names = dict.fromkeys(r["optimizer"] for r in rows)
  pick = lambda name, key: [r[key] for r in rows if r["optimizer"] == name]
  return figures.stack([plots.panel(
      {n: (pick(n, key), pick(n, "miou")) for n in names}, title="mIoU",
      across=across) for key, across in (
          ("steps", "steps"), ("core_seconds", "core seconds an image"))])


def compare(config, workdir, split: str, names) -> list[dict]:
  """`measure` of each optimiser; prints, and writes table and plot."""
  for name in names:
    chosen(config, name)  # What is unknown is refused before the first runs.
  rows = []
  folder = pathlib.Path(workdir) / "inversion_curve"
  folder.mkdir(parents=True, exist_ok=True)
  stem = re.sub(r"\W", "_", split)
  for name in names:
    measured = measure(config, workdir, split, name)
    rows += measured
    print(tables.text(measured), flush=True)
    tables.save(folder / f"{stem}.json", rows)
    figures.save(folder / f"{stem}.png", plot(rows))
  print(f"\n{tables.markdown(rows)}\n\nwritten to {folder}")
  return rows


def main(argv):
  del argv
  given = flags.FLAGS
  experiment.run(compare, given.config, given.workdir, split=given.split,
                 names=given.optimizers)


def define_flags():
  """Not on import: tests import several commands."""
  config_flags.DEFINE_config_file(
      "config", None, "Config file of the run.", lock_config=True)
  flags.DEFINE_string("workdir", None, "Folder of the run.")
  flags.DEFINE_string("split", "val", "Labeled images to score.")
  flags.DEFINE_list(
      "optimizers", ["adam", "lbfgs"], "Names, each with its rate: adam:0.3.")


if __name__ == "__main__":
  launcher.set_up()
  define_flags()
  flags.mark_flags_as_required(["config", "workdir"])
  app.run(main, flags_parser=arguments.parse)
