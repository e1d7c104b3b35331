"""The shipped model beside a U-Net on procedural faces, in one table.

  semseg-jax demo --workdir=runs/demo

Trains the supervised baseline on 20 labeled procedural faces, takes the rest
from the shipped model `toy_faces` (its generator and encoder have seen images
alone, its label head and distilled segmenter the same 20 labels), and labels
unseen images in and out of domain with all of them. Prints one table and writes
it to table.json, and some images with their labels to domains.png. With other
labels or seeds head and segmenter are trained, too; the variants `short` and
`long` train everything from scratch. With several seeds the table holds mean
and spread. Run again after an interruption: it continues.
"""

import json
import pathlib

from absl import flags

from semseg_jax import experiment
from semseg_jax.cli import arguments
from semseg_jax.evaluation import figures
from semseg_jax.evaluation import tables
from semseg_jax.reporting import domains
from semseg_jax.reporting import run_folder
from semseg_jax.training import exported
from semseg_jax.training import run_dir

MODEL = "toy_faces"
METHODS = ("supervised", "encoder", "inversion", "distilled",
           "inversion+distilled")  # of the figure


def define_flags():
  """See --help."""
  flags.DEFINE_string("workdir", "runs/demo", "Folder of the runs.")
  flags.DEFINE_list("seeds", ["0"], "Seeds; one run each.")
  flags.DEFINE_enum(
      "variant", "shipped", ["shipped", "short", "long", "smoke"],
      "shipped: with the shipped generator; from scratch: short (minutes on "
      "two cores), long (three times the steps), smoke (a test).")
  flags.DEFINE_integer("labels", 20, "Labeled images.")


def main(argv):
  del argv
  # Data beside the package: the launcher finds it.
  from configs.semantic_gan import toy_faces

  given = flags.FLAGS
  workdir = pathlib.Path(given.workdir)
  words = {"shipped": f",demo,run={MODEL}", "short": ""}.get(
      given.variant, f",{given.variant}")
  seeds, results = arguments.seeds(), []
  for seed in seeds:
    config = toy_faces.get_config(
        f"labels={given.labels},seed={seed}{words}")
    folder = workdir if len(seeds) == 1 else workdir / f"seed{seed}"
    if given.variant == "shipped" and knows(config):
      experiment.run(experiment.adopt, config, folder, model=MODEL,
                     names=("label_head", "distilled"))
    experiment.run(experiment.train, config, folder)
    results.append(experiment.run(experiment.evaluate, config, folder))
    figures.save(folder / "domains.png", domains.draw(
        run_folder.read(folder), METHODS if given.variant == "shipped" else ()))
  tables.write_results(results, config, workdir)


def knows(config) -> bool:
  """Whether the shipped model was fitted to the labels of `config`."""
  data = exported.read_meta(exported.place(MODEL))["config"]["data"]
  return not run_dir.refused(data, json.loads(
      config.data.to_json_best_effort()))
