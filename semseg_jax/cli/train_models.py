r"""Trains the published models, one after the other; run it again to go on.

  nice -n 19 semseg-jax train_models --runs=../runs/models \
      --data=packs --models=toy_faces,chest_xray

Each model is a run on images alone (stages `gan` and `encoder`), then for each
number of labels and seed a run with the rest, which is scored. What is finished
is skipped, what was interrupted continues. RUNS/LOG.md says what ran when.
"""

import datetime
import pathlib
import time
from typing import NamedTuple

from absl import flags

from semseg_jax import experiment
from semseg_jax.cli import arguments
from semseg_jax.cli import launcher
from semseg_jax.training import exits


class Model(NamedTuple):
  """What docs/results.md has of a model.

  arguments: of its config, which has its name, as has its pack's folder.
  counts: numbers of labels.
  images: changes of the run on images alone.
  labeled: further arguments of the others.
  """
  arguments: str
  counts: tuple[int, ...]
  images: tuple[str, ...] = ()
  labeled: str = ""


MODELS = {
    "toy_faces": Model("fitted", (20,), images=("gan.steps=6250",)),
    "chest_xray": Model("cpu", (1, 5, 10, 30)),
    "coffee_leaf": Model("cpu", (1, 5, 10)),
    "skin_lesion": Model("cpu", (10, 40, 200),
                         labeled=",backbone=efficientnet_lite0"),
}


def jobs(name: str, runs: pathlib.Path, data: pathlib.Path, seeds, changes=()):
  """[(config, folder)] of a model, in the order to run them.

  Raises ValueError: no such model, or a change that a config does not have.
  """
  if name not in MODELS:
    raise ValueError(f"--models={name}: choose from {', '.join(MODELS)}")
  path = launcher.configs_folder() / f"semantic_gan/{name}.py"
  model = MODELS[name]
  changes = (*changes, f"data.data_dir={data / name}")
  images = runs / name / "images"
  listed = [(arguments.seeded_config(
      f"{path}:labels=0,{model.arguments}", 0, (*model.images, *changes)),
             images)]
  for labels in model.counts:
    for seed in seeds:
      config = arguments.seeded_config(
          f"{path}:labels={labels},{model.arguments}{model.labeled},"
          f"run={images}", seed, changes)
      if len(listed) > 1:  # it knows all labels: once is enough
        config.stages = tuple(
            s for s in config.stages if s != "fully_supervised")
      listed.append((config, runs / name / f"labels{labels}_seed{seed}"))
  return listed


def define_flags():
  """See --help."""
  flags.DEFINE_string("runs", "runs/models", "Folder of all runs.")
  flags.DEFINE_string("data", "data", "Folder of the data sets' folders.")
  flags.DEFINE_list("models", list(MODELS), "Which models.")
  flags.DEFINE_list("seeds", ["0", "1", "2"], "Which labeled images.")
  flags.DEFINE_multi_string(
      "config", [], "--config.FIELD=VALUE changes every config.")


def main(argv):
  del argv
  given = flags.FLAGS
  runs = pathlib.Path(given.runs)
  seeds = arguments.seeds()
  with exits.one_line():
    todo = [job for name in given.models for job in jobs(
        name, runs, pathlib.Path(given.data), seeds, given.config)]
  for config, folder in todo:
    _logged(runs, folder, "train", lambda config=config, folder=folder:
            experiment.run(experiment.train, config, folder))
    if config.data.num_labeled:
      _logged(runs, folder, "eval", lambda config=config, folder=folder:
              experiment.run(experiment.evaluate, config, folder))


def _logged(runs, folder, what, work):
  """Calls `work` and adds a line to RUNS/LOG.md."""
  started, now = time.monotonic(), datetime.datetime.now(datetime.UTC)
  work()
  runs.mkdir(parents=True, exist_ok=True)
  with (runs / "LOG.md").open("a") as log:
    log.write(f"* {now:%Y-%m-%d %H:%M} {what} {folder.relative_to(runs)}: "
              f"{(time.monotonic() - started) / 60:.1f} minutes\n")
