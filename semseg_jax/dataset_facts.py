"""What a run keeps of its data set: whose classes its weights know."""

from absl import logging

from semseg_jax import stages
from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import fingerprint
from semseg_jax.data import painted
from semseg_jax.methods import fully_supervised
from semseg_jax.methods.common import data
from semseg_jax.training import checkpoint
from semseg_jax.training import run_dir


def of(config) -> dict:
  """What a run has to keep of its data set and its labels, plain values.

  Classes are those that the run's labels have: where masks were painted, those
  of their folder; where neither they nor a data set name any, numbers.
  """
  spec = stages.spec_of(config) or datasets.blank(
      1, config.data.num_classes, config.data.channels, colored=True).spec
  facts = {"name": spec.name, "class_names": list(spec.class_names),
           "colors": spec.colors.tolist(), "ignore_index": spec.ignore_index,
           "flip": spec.flip, "images": {}, "fingerprint": "",
           "painted": painted.digest(folder) if (folder := config.get(
               "shots", {}).get("folder", "")) else ""}
  if config.data.name:
    dataset = data.dataset(config)
    facts |= {"name": dataset.spec.name, "covers": fingerprint.COVERS,
              "images": {k: len(v) for k, v in dataset.splits.items()},
              "fingerprint": fingerprint.of(dataset),
              "labeled": _labeled(config)}
  return facts


def _labeled(config) -> list[str]:
  """Ids of the images that are trained on with their labels.

  [] where nothing can be trained: lists that became shorter are evaluated.
  """
  if "fully_supervised" in config.get("stages", ()):
    config = fully_supervised.effective(config)
  try:
    labeled, _ = data.train_sources(config)
  except errors.DataError:
    return []
  return sorted(set(labeled.ids)) if labeled else []


def stated(config, facts):
  """The config with what it takes from its data set, which may be absent."""
  config = config.copy_and_resolve_references().unlock()
  config.data.ignore_index = facts["ignore_index"]
  return config.lock()


def check_scored(config, facts, scored) -> None:
  """Raises where lists have changed, and a split has images of the training.

  Args:
    config: of the run.
    facts: `of_weights`.
    scored: {split: its source}.

  Raises errors.DataError: names split and images.
  """
  labeled = {*facts.get("labeled", ())}
  for split, source in scored.items():
    seen = sorted(labeled & {*source.ids})
    if seen and not config.data.allow_overlap and split not in (
        "train_labeled", "train") and (
            facts["fingerprint"] != fingerprint.of(data.dataset(config))):
      raise errors.DataError(
          f"split {split!r} has {len(seen)} images that the run was trained "
          f"on ({errors.few(seen, 3)}): its lists have changed since. Set them "
          "back, or train anew in another --workdir; config.data.allow_overlap"
          "=True scores them all the same")


def of_weights(config, workdir) -> dict:
  """Facts of the data that a run's weights have seen; of now if there are none.

  Says so where the data set or painted masks have become others.

  Raises errors.DataError: a class has another index.
  """
  facts = of(config)
  if not run_dir.is_known(workdir):
    return facts
  there = run_dir.described(workdir)[1]
  trained = [name for name in config.stages
             if checkpoint.exists(workdir / name / "ckpt")]
  if there.get("painted", facts["painted"]) != facts["painted"] and any(
      "shots" in stages.of(config, name).fields for name in trained):
    logging.warning(
        "%s: the masks of config.shots.folder are not what they were when this "
        "run was continued last: delete the folders of the stages that were "
        "trained on them to train these again", workdir)
  if not trained:
    return facts
  old, new = there["class_names"], facts["class_names"]
  if any(old.index(x) != new.index(x) for x in {*old} & {*new}):
    raise errors.DataError(
        f"{workdir} was trained on the classes {', '.join(old)}, and the data "
        f"set has some at other places now, {', '.join(new)}: each would get "
        "another's labels. Set the order back (in classes.json), or train anew "
        "in another --workdir")
  if there.get("covers") != facts.get("covers") or (
      there["fingerprint"] == facts["fingerprint"]):
    return facts
  logging.warning(
      "%s: data set %s is not what it was when this run was begun: what is "
      "trained there stays as it is; give a new --workdir to train on the "
      "images and labels of now", workdir, facts["name"])
  return there | {"painted": facts["painted"]}
