"""The main job on the embedded data set, from scratch, in one command.

  python -m semseg_jax.cli.demo --workdir=runs/demo

Trains the supervised baseline, the joint GAN and the encoder on procedural
faces with 20 labels, labels unseen images in and out of domain, prints one
table and writes it to table.json. With several seeds the table holds mean and
spread. Run again after an interruption: it continues.
"""

from semseg_jax.training import xla_flags

xla_flags.apply()  # before jax starts
xla_flags.compile_cache()

import pathlib  # noqa: E402
import sys  # noqa: E402

from absl import app  # noqa: E402
from absl import flags  # noqa: E402

from semseg_jax import experiment  # noqa: E402

_WORKDIR = flags.DEFINE_string("workdir", "runs/demo", "Folder of the runs.")
_SEEDS = flags.DEFINE_list("seeds", ["0"], "Seeds; one run each.")
_VARIANT = flags.DEFINE_enum(
    "variant", "short", ["short", "long", "smoke"],
    "short: minutes on two cores; long: three times the steps; smoke: a test.")
_LABELS = flags.DEFINE_integer("labels", 20, "Labeled images.")


def main(argv):
  del argv
  # Configs are data beside the package; train.py imports them likewise.
  sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
  from configs.semantic_gan import toy_faces

  workdir = pathlib.Path(_WORKDIR.value)
  results = []
  for seed in _SEEDS.value:
    variant = "" if _VARIANT.value == "short" else f",{_VARIANT.value}"
    config = toy_faces.get_config(
        f"labels={_LABELS.value},seed={int(seed)}{variant}")
    folder = workdir if len(_SEEDS.value) == 1 else workdir / f"seed{seed}"
    experiment.run(experiment.train, config, folder)
    results.append(experiment.run(experiment.evaluate, config, folder))
  experiment.write_table(results, config, workdir)


if __name__ == "__main__":
  app.run(main)
