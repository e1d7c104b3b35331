"""The main job on the embedded data set, from scratch, in one command.

  semseg-jax demo --workdir=runs/demo

Trains the supervised baseline, the joint GAN and the encoder on procedural
faces with 20 labels, labels unseen images in and out of domain, prints one
table and writes it to table.json. With several seeds the table holds mean and
spread. Run again after an interruption: it continues.
"""

import pathlib

from absl import flags

from semseg_jax import experiment


def define_flags():
  """See --help."""
  flags.DEFINE_string("workdir", "runs/demo", "Folder of the runs.")
  flags.DEFINE_list("seeds", ["0"], "Seeds; one run each.")
  flags.DEFINE_enum(
      "variant", "short", ["short", "long", "smoke"],
      "short: minutes on two cores; long: three times the steps; smoke: a "
      "test.")
  flags.DEFINE_integer("labels", 20, "Labeled images.")


def main(argv):
  del argv
  # Data beside the package: the launcher finds it.
  from configs.semantic_gan import toy_faces

  given = flags.FLAGS
  workdir = pathlib.Path(given.workdir)
  results = []
  for seed in given.seeds:
    variant = "" if given.variant == "short" else f",{given.variant}"
    config = toy_faces.get_config(
        f"labels={given.labels},seed={int(seed)}{variant}")
    folder = workdir if len(given.seeds) == 1 else workdir / f"seed{seed}"
    experiment.run(experiment.train, config, folder)
    results.append(experiment.run(experiment.evaluate, config, folder))
  experiment.write_table(results, config, workdir)
