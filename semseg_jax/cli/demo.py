"""The main job on procedural faces, with 20 labels, in one command.

  semseg-jax demo --workdir=runs/demo

Generator and encoder are those of the shipped model `toy_faces`, trained on
images alone. What needs labels is trained here: the supervised baseline, the
head that labels the generator's samples, and the segmenter distilled from them.
All of them then label unseen images in and out of domain; one table is printed
and written to table.json.

  semseg-jax demo --workdir=runs/demo-train --variant=short

trains everything from scratch, jointly as in the paper, at 32 px: it shows that
the whole system runs, but minutes make no good generator. With several seeds
the table holds mean and spread. Run again after an interruption: it continues.
"""

import pathlib

from absl import flags

from semseg_jax import experiment

_FROM_SCRATCH = {"short": "", "long": ",long", "smoke": ",smoke"}


def define_flags():
  """See --help."""
  flags.DEFINE_string("workdir", "runs/demo", "Folder of the runs.")
  flags.DEFINE_list("seeds", ["0"], "Seeds; one run each.")
  flags.DEFINE_enum(
      "variant", "short", ["shipped", *_FROM_SCRATCH],
      "shipped: with the shipped generator; short: from scratch, a quarter of "
      "an hour on two cores; long: three times the steps; smoke: a test.")
  flags.DEFINE_integer("labels", 20, "Labeled images.")


def main(argv):
  del argv
  # Data beside the package: the launcher finds it.
  from configs.semantic_gan import toy_faces

  given = flags.FLAGS
  workdir = pathlib.Path(given.workdir)
  results = []
  for seed in given.seeds:
    variant = _FROM_SCRATCH.get(
        given.variant, ",fitted,demo,run=toy_faces")
    config = toy_faces.get_config(
        f"labels={given.labels},seed={int(seed)}{variant}")
    folder = workdir if len(given.seeds) == 1 else workdir / f"seed{seed}"
    experiment.run(experiment.train, config, folder)
    results.append(experiment.run(experiment.evaluate, config, folder))
  experiment.write_table(results, config, workdir)
