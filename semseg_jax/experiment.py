"""Joins the packages: config -> stages -> loop, and evaluation of a run.

Called by the commands in `cli` and the tests.
"""

import contextlib
import copy
import functools
import json
import sys
import time

from absl import logging
from etils import epath
import jax
import numpy as np

from semseg_jax import dataset_facts
from semseg_jax import lineage
from semseg_jax import method_scores
from semseg_jax import predictors
from semseg_jax import stages as stage_table
from semseg_jax.data import datasets
from semseg_jax.data import sources as data_sources
from semseg_jax.data import statistics
from semseg_jax.evaluation import figures
from semseg_jax.evaluation import plots
from semseg_jax.evaluation import record as records
from semseg_jax.evaluation import segmentation
from semseg_jax.evaluation import tables
from semseg_jax.methods.common import checks
from semseg_jax.methods.common import data
from semseg_jax.methods.common import idle
from semseg_jax.reporting import report
from semseg_jax.training import checkpoint
from semseg_jax.training import console
from semseg_jax.training import exits
from semseg_jax.training import exported
from semseg_jax.training import loop
from semseg_jax.training import mesh as mesh_lib
from semseg_jax.training import run_dir


def run(function, config, workdir, *, data_dir: str = "", **arguments):
  """Calls `train` or `evaluate`; a user's mistake ends it with one line.

  Args:
    function: of config and workdir.
    config: None: the config of the run in `workdir`.
    workdir: the run's folder.
    data_dir: of a run whose data set has moved.
    **arguments: of the function.
  """
  console.setup()
  with exits.one_line():
    workdir = epath.Path(workdir).expanduser()
    config = config or run_dir.config_of(workdir)
    if data_dir:
      config.data.data_dir = data_dir
    jax.config.update("jax_default_matmul_precision", config.matmul_precision)
    result = function(config, workdir, **arguments)
    mesh_lib.together("done")  # process 0 may still be writing figures
    return result


def check_data(config):
  """Raises what is wrong with the data before anything is trained."""
  c = config.data
  if not c.name:
    return  # a pre-trained generator and painted masks need none
  dataset = data.dataset(config)
  splits = {c.validation, c.in_domain, *c.out_of_domain} - {""}
  if not c.num_labeled and not any(
      x.labeled for x in dataset.splits.values()):
    splits = set()  # images alone: nothing is scored
  datasets.verify(dataset, sorted(splits), scored=True)
  data.check_overlap(config)
  data.remark(config)
  statistics.check_values(dataset)
  data.train_sources(config)


def train(config, workdir, *, overrides=None, only=()):
  """Trains the stages of `config` in order; finished ones are skipped.

  Args:
    config: the experiment's config.
    workdir: the run's folder; each stage has its own below it.
    overrides: what the user changed on the command line, for the record.
    only: names of stages to run instead of all.

  Raises:
    ValueError, DataError: bad config or data, before training starts, or
      another process is training there.
  """
  workdir = epath.Path(workdir).expanduser()
  checks.values(config)
  for line in (*idle.notes(config, overrides or ()), *checks.warnings(config)):
    logging.warning(line)
  check_data(config)
  names = tuple(only) or tuple(config.stages)
  # All before the first is trained: what one cannot do is known now.
  stages = [stage_table.make(config, workdir, name) for name in names]
  for name in dict.fromkeys((*config.stages, *names)):
    # All, as the run's own config.json becomes this config.
    run_dir.check(workdir / name, stage_table.relevant(config, name),
                  stage_table.of(config, name).fixed)
  for name, stage in zip(names, stages, strict=True):
    if not run_dir.adopted(workdir / name):
      loop.check_steps(workdir / name, stage.steps)
      lineage.check_further(config, workdir, name, stage.steps)
  lineage.check_needs(config, workdir, names)
  checks.check(config, names)
  lineage.warn_of_generator(config)
  facts = dataset_facts.of_weights(config, workdir)
  mesh = mesh_lib.make()
  primary = jax.process_index() == 0
  with run_dir.alone(workdir) if primary else contextlib.nullcontext():
    if primary:
      run_dir.describe(
          workdir, _joined(json.loads(config.to_json_best_effort()), workdir),
          facts)
      run_dir.add_command(workdir, sys.argv)
    for number, (name, stage) in enumerate(zip(names, stages, strict=True)):
      options = loop.LoopOptions(
          **config.log.to_dict(),
          best_metric=stage.validate and stage_table.of(
              config, name).best_metric)
      if model := run_dir.adopted(workdir / name):
        logging.info("stage %s (%d of %d): of %s", name, number + 1, len(names),
                     model)
        continue
      logging.info("stage %s (%d of %d): %d steps", name, number + 1,
                   len(names), stage.steps)
      lineage.check(config, workdir, (name,))
      loop.train(
          stage, workdir=workdir / name, options=options,
          key=jax.random.key(config.seed), mesh=mesh, sharding=config.sharding,
          rollbacks=config.faults.rollbacks,
          config_json=json.dumps(stage_table.relevant(config, name)),
          overrides_json=json.dumps(overrides or {}, default=str),
          trained_on=lineage.now(config, workdir, name))
  return workdir


def adopt(config, workdir, model, names) -> None:
  """Stages of another run or exported file as finished stages of this one.

  `train` leaves them alone: an exported file holds what results are made from,
  which is not enough to train on.

  Args:
    config: this run's.
    workdir: its folder; stages that it has already stay as they are.
    model: the other's folder, file or name as a shipped model.
    names: of the stages.

  Raises:
    ValueError: the other's config differs in what a stage depends on.
    FileNotFoundError: it lacks a stage.
  """
  place = exported.place(model)
  plain = (exported.read_meta(place)["config"] if exported.is_file(place)
           else run_dir.described(place)[0])
  there = run_dir.configured(plain).copy_and_resolve_references()
  there.unlock()
  for block, name in (("data", "data_dir"), ("data", "cache_dir"),
                      ("labels", "run")):  # where, not what
    if block in there:
      there[block][name] = config[block][name]
  for name in names:
    if run_dir.done_step(workdir / name) is not None:
      continue
    relevant_now = stage_table.relevant(config, name)
    if lines := run_dir.refused(
        stage_table.relevant(there, name), relevant_now,
        stage_table.of(config, name).fixed):
      raise ValueError(
          f"{model}: its stage {name!r} is of another config:\n{lines}")
    step, arrays = checkpoint.read(place / name / "ckpt")
    run_dir.prepare(workdir / name, relevant_now, {})
    if not checkpoint.exists(workdir / name / "ckpt"):  # interrupted after it
      with checkpoint.Checkpoints(workdir / name / "ckpt") as checkpoints:
        checkpoints.save(step, arrays, {})
    run_dir.write_done(workdir / name, step, adopted=str(model))


def _joined(plain: dict, workdir) -> dict:
  """The config with the stages, too, that only an earlier one of the run has.

  Raises:
    run_dir.ConfigMismatchError: the run is of another method.
  """
  plain = _found_anywhere(plain)
  if not run_dir.is_known(workdir):
    return plain
  old = run_dir.described(workdir)[0]
  run_dir.check(workdir, {**old, "method": plain["method"]})
  trained = [name for name in old["stages"]
             if name in plain["stages"] or run_dir.is_known(workdir / name)]
  return plain | {"stages": list(dict.fromkeys((*trained, *plain["stages"])))}


def _found_anywhere(plain: dict) -> dict:
  """The config with whole paths of what is there: a run is also evaluated from
  elsewhere, where something else may have its name."""
  plain = copy.deepcopy(plain)
  for field in run_dir.PATHS:
    block, _, name = field.rpartition(".")
    if text := (plain.get(block) or {}).get(name):
      path = epath.Path(text).expanduser()
      if path.exists():
        plain[block][name] = str(run_dir.absolute(path))
  return plain


def check_run(config, workdir) -> None:
  """Raises `run_dir.ConfigMismatchError` where `workdir` was trained otherwise.

  What is only evaluated (steps of inversion, limits, splits) may differ.
  """
  for name in config.stages:
    # Those of inversion are the evaluation's, too, and may be others than those
    # that `label_head` was fitted with.
    fixed = [field for field in stage_table.of(config, name).fixed
             if field != "inversion.steps"]
    run_dir.check(workdir / name, stage_table.relevant(config, name), fixed)
  lineage.warn_of_generator(config)


def evaluate(config, workdir, *, splits=()):
  """Labels and scores test images with every method a run has trained.

  Each split has a folder below workdir/eval with record.json, predictions and
  an overview; an interrupted evaluation continues. Stages that are not trained
  yet are left out, with a warning. Several processes share the images and need
  a common `workdir`; process 0 writes the records.

  Args:
    config: the experiment's config.
    workdir: its folder, with trained stages.
    splits: names of splits; empty for the config's in- and out-of-domain ones.

  Returns:
    {split: methods' scores as `evaluation.segmentation` gives them}.

  Raises:
    ValueError, DataError: bad config or data, another config than the run's,
      or stages that do not fit each other. FileNotFoundError: none is trained.
      FloatingPointError: a method's logits are not finite.
  """
  workdir = epath.Path(workdir).expanduser()
  checks.values(config)
  check_run(config, workdir)
  config = predictors.trained_part(config, workdir)
  lineage.check(config, workdir)
  dataset = data.dataset(config)
  data.check_overlap(config, splits)
  splits = tuple(splits) or (config.data.in_domain,
                             *config.data.out_of_domain)
  sources = {name: data.evaluation_source(config, name) for name in splits}
  facts = dataset_facts.of_weights(config, workdir)
  dataset_facts.check_scored(config, facts, sources)
  predict = predictors.of_run(config, workdir)
  primary = jax.process_index() == 0
  summary = _summary(config, workdir) if primary else {}
  if primary and (
      scores := method_scores.validate(config, workdir, predict)):
    summary["validation"] = scores
  plain = json.loads(config.to_json_best_effort())
  scored = {}
  for name, whole in sources.items():
    source = limited(whole, config)
    started = time.monotonic()
    folder = workdir / "eval" / name
    methods = segmentation.evaluate(
        functools.partial(predict, source), source, split_ids=whole.ids,
        spec=dataset.spec,
        batch_size=config.evaluation.batch_size,
        size=data.evaluation_shape(config), fill=data.padding(config),
        out_dir=folder, images=config.evaluation.num_visualized,
        fingerprint=method_scores.fingerprint(config, workdir),
        process=jax.process_index(), num_processes=jax.process_count())
    scored[name] = methods
    if not primary:
      continue
    save_record(
        config, workdir, name, methods, seconds=time.monotonic() - started,
        extra=summary | _reports(config, workdir, source, folder))
    print(f"\n{dataset.spec.name}, split {name}, {len(source)} images, scores "
          "in %:\n"
          f"{tables.text(tables.score_rows(methods, plain))}\n\n"
          f"{tables.text(tables.class_rows(methods))}", flush=True)
  if primary:
    run_dir.add_command(workdir, sys.argv)
    print(f"\nreport: {report.write(workdir)}", flush=True)
  return scored


def save_record(config, workdir, split: str, methods: dict, *,
                seconds: float, extra: dict | None = None, study: str = ""):
  """Writes workdir/[STUDY/]eval/SPLIT/record.json: what tables are made from.

  Args:
    config: of the run.
    workdir: the run's folder.
    split: what was scored.
    methods: {method: scores}.
    seconds: that it took.
    extra: see `record.Record`.
    study: what made it, if not `evaluate`.
  """
  steps = method_scores.trained_of(config, workdir)["steps"]
  finished = {name: run_dir.done_step(workdir / name)
              for name in config.stages}
  told: dict = {"study": study} if study else {}
  if generator := lineage.other_generator(config):
    told["generator"] = generator
  if which := run_dir.read_json(
      workdir / "dataset.json", {}).get("fingerprint"):
    told["data_set"] = {"fingerprint": which}
  records.save(workdir / study / "eval" / split, records.make(
      methods, config=json.loads(config.to_json_best_effort()), split=split,
      seconds=seconds, checkpoint_step=next(iter(
          x for x in steps.values() if x is not None), None),
      extra={"checkpoint_steps": steps, "finished_steps": finished}
      | told | (extra or {})))


def _summary(config, workdir) -> dict:
  """What the stages say of a run as a whole, for every record."""
  summaries = {}
  for name in config.stages:
    if summary := stage_table.of(config, name).summary:
      summaries |= summary(config, workdir)
  return summaries


def _reports(config, workdir, source, folder) -> dict:
  """{stage: what it reports of a split beside segmentations}."""
  reports = {}
  for name in config.stages:
    if report := stage_table.of(config, name).report:
      reports[name] = report(config, workdir, source, folder)
      curves = {k: v.pop("roc") for k, v in reports[name].items() if "roc" in v}
      if curves:
        run_dir.write_json(folder / "roc.json", curves)
        figures.save(folder / "roc.png", plots.roc(curves))
  return reports


def limited(source, config):
  """The first `config.evaluation.limit` images of a split."""
  limit = config.evaluation.limit
  if not limit or limit >= len(source):
    return source
  return data_sources.Subset(source, np.arange(limit))
