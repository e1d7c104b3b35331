r"""Labels test images with a trained run, scores them, draws them.

  semseg-jax eval --workdir=runs/toy_faces20
  semseg-jax eval --workdir=runs/toy_faces20 --config.evaluation.limit=32

--study instead makes a table of a method's own:

  few_shot       RepurposeGAN: shots x segmenters beside the baseline
  layers         RepurposeGAN: each of the generator's layers alone, and without
  synthesis      Fewshot-SMIS: how good images are, how well they follow layouts
  pseudo_labels  Fewshot-SMIS: --layers x --k x --thresholds of pseudo labels
  tau            fusion's threshold, from the validation split

The first two train what they compare, pseudo_labels too unless
--config.encoder.steps=0; after an interruption run them again.
`semseg_jax/studies/` says what each one writes.
"""

import functools
import sys

from absl import flags

from semseg_jax import experiment
from semseg_jax.cli import arguments
from semseg_jax.studies import few_shot
from semseg_jax.studies import layers
from semseg_jax.studies import synthesis
from semseg_jax.studies import tau

STUDIES = ("few_shot", "layers", "synthesis", "pseudo_labels", "tau")
# Each one's method, and flags; "": the evaluation.
_METHODS = {
    "few_shot": "repurpose_gan", "layers": "repurpose_gan",
    "synthesis": "fewshot_smis", "pseudo_labels": "fewshot_smis",
    "tau": "semisup"}
_FLAGS = {
    "": ("split",),
    "few_shot": ("shots", "segmenters", "trials", "baseline_trials", "updates"),
    "layers": ("samples",),
    "synthesis": ("split",),
    "pseudo_labels": ("layers", "k", "thresholds", "split"),
    "tau": ("tau",)}


def define_flags(values=flags.FLAGS, argv=None):
  """See --help."""
  arguments.define_run("Folder of the run; where it was trained.",
                       trained=True, values=values, argv=argv)
  arguments.define_processes(values)
  flags.DEFINE_list(
      "split", [], "Splits to score; empty for the config's in- and "
      "out-of-domain splits (synthesis, pseudo_labels: the first).",
      flag_values=values)
  flags.DEFINE_enum(
      "study", "", ["", *STUDIES], "A table of a method's own instead.",
      flag_values=values)
  flags.DEFINE_list("shots", ["1", "5", "10"], "few_shot: numbers of shots.",
                    flag_values=values)
  flags.DEFINE_list("segmenters", ["linear", "cnn_s", "cnn"],
                    "few_shot: kinds of segmenter.", flag_values=values)
  flags.DEFINE_integer(
      "trials", None, "few_shot: trials of the shots; by default 5, of painted "
      "shots 1.", lower_bound=1, flag_values=values)
  flags.DEFINE_integer(
      "baseline_trials", 0, "few_shot: of the supervised U-Net's labels; 0: as "
      "many.", lower_bound=0, flag_values=values)
  flags.DEFINE_integer(
      "updates", 0, "few_shot: of each segmenter; 0: the config's epochs.",
      lower_bound=0, flag_values=values)
  flags.DEFINE_integer("samples", 64, "layers: fresh samples to score on.",
                       lower_bound=1, flag_values=values)
  flags.DEFINE_list(
      "layers", [], "pseudo_labels: maps of the generator, such as conv16.",
      flag_values=values)
  flags.DEFINE_list("k", ["1", "3", "10"], "pseudo_labels: cells per vector.",
                    flag_values=values)
  flags.DEFINE_list("thresholds", ["0.3", "0.5", "0.7"],
                    "pseudo_labels: least cosines.", flag_values=values)
  flags.DEFINE_list(
      "tau", ["0.01", "0.02", "0.05", "0.1", "0.2", "0.3", "0.4", "0.5"],
      "tau: thresholds to try, at least 0 and below 1.", flag_values=values)


def chosen(given):
  """(function of config and workdir, its other arguments) of parsed flags.

  Exits where one is given that has no meaning there.
  """
  for name in sorted({x for names in _FLAGS.values() for x in names}):
    if given[name].present and name not in _FLAGS[given.study]:
      study = f"--study={given.study}" if given.study else "no --study"
      sys.exit(f"error: --{name} has no meaning with {study}")
  match given.study:
    case "few_shot":
      return few_shot.write, dict(
          shots=arguments.numbers(int, "shots", given),
          segmenters=given.segmenters, trials=given.trials,
          baseline_trials=given.baseline_trials,
          updates=given.updates)
    case "layers":
      return layers.write, dict(n=given.samples)
    case "synthesis":
      return synthesis.evaluate, dict(split=",".join(given.split))
    case "pseudo_labels":
      return synthesis.study, dict(
          layers=given.layers, ks=arguments.numbers(int, "k", given),
          thresholds=arguments.numbers(float, "thresholds", given),
          split=",".join(given.split))
    case "tau":
      return tau.write, dict(taus=arguments.numbers(float, "tau", given))
  return experiment.evaluate, dict(splits=given.split)


def _of_method(config, workdir, *, study, function, **options):
  """Calls the function; raises for a run of another method than the study's."""
  method = _METHODS.get(study, config.method)
  if config.method != method:
    raise ValueError(f"--study={study} is of runs of {method}; {workdir} is of "
                     f"{config.method}")
  return function(config, workdir, **options)


def work(given):
  """Does what parsed flags ask for."""
  function, options = chosen(given)
  function = functools.partial(
      _of_method, study=given.study, function=function)
  experiment.run(function, given.config, given.workdir,
                 data_dir=given.data_dir, **options)


def main(argv):
  del argv
  arguments.join()
  work(flags.FLAGS)
