r"""What inversion gains with every step and second, by rate.

Labels images of a split with a trained SemanticGAN run and prints mIoU after
each of `config.inversion.snapshots`, as eval.py scores it; table and plot go to
WORKDIR/inversion_curve. Seconds are those of an image in a full batch, in wall
time and of one core; start, rendering and confidence are spread over the steps,
compilation is left out where there are two batches or more.

  python -m benchmarks.inversion_curve --workdir=runs/demo/seed0 \
      --config=configs/semantic_gan/toy_faces.py:labels=20 --split=val \
      --rates=0.1,0.3 --config.evaluation.limit=32 \
      --config.inversion.snapshots="(10,25,50)" --config.inversion.steps=100
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
from semseg_jax.cli import arguments
from semseg_jax.cli import launcher
from semseg_jax.evaluation import figures
from semseg_jax.evaluation import plots
from semseg_jax.evaluation import segmentation
from semseg_jax.evaluation import tables
from semseg_jax.methods.common import data
from semseg_jax.methods.semantic_gan import labeling


def measure(config, workdir, split: str, rate: float) -> list[dict]:
  """A row for each number of steps: mIoU, seconds of an image."""
  config = copy.deepcopy(config)
  config.inversion.learning_rate = rate
  source = experiment.limited(data.evaluation_source(config, split), config)
  predict, taken = labeling.predictor(config, workdir), []

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
        out_dir=folder, fingerprint=str(rate), images=0)
  wall, core = (statistics.median(x) / config.evaluation.batch_size
                for x in zip(*taken[1:] or taken, strict=True))
  steps = {labeling.method_name(config, n): n for n in (
      0, *config.inversion.snapshots, config.inversion.steps)}
  total = max(config.inversion.steps, 1)
  return [{"rate": rate, "steps": n, "miou": round(scores[m]["miou"], 4),
           "seconds": round(wall * n / total, 4),
           "core_seconds": round(core * n / total, 4)}
          for m, n in sorted(steps.items(), key=lambda x: x[1])]


def plot(rows):
  """mIoU against steps, and against seconds of one core, uint8 [H, W, 3]."""
  rates = dict.fromkeys(r["rate"] for r in rows)
  pick = lambda rate, key: [r[key] for r in rows if r["rate"] == rate]
  return figures.stack([plots.panel(
      {f"rate {x}": (pick(x, key), pick(x, "miou")) for x in rates},
      title="mIoU",
      across=across) for key, across in (
          ("steps", "steps"), ("core_seconds", "core seconds an image"))])


def compare(config, workdir, split: str, rates) -> list[dict]:
  """`measure` of each rate; prints, and writes table and plot."""
  rows = []
  folder = pathlib.Path(workdir) / "inversion_curve"
  folder.mkdir(parents=True, exist_ok=True)
  stem = re.sub(r"\W", "_", split)
  for rate in map(float, rates):
    measured = measure(config, workdir, split, rate)
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
                 rates=given.rates)


def define_flags():
  """Not on import: tests import several commands."""
  config_flags.DEFINE_config_file(
      "config", None, "Config file of the run.", lock_config=True)
  flags.DEFINE_string("workdir", None, "Folder of the run.")
  flags.DEFINE_string("split", "val", "Labeled images to score.")
  flags.DEFINE_list("rates", ["0.1"], "Adam's learning rates, such as 0.1,0.3.")


if __name__ == "__main__":
  launcher.set_up()
  define_flags()
  flags.mark_flags_as_required(["config", "workdir"])
  app.run(main, flags_parser=arguments.parse)
