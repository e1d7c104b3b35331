"""Which stages of a run still fit each other.

A stage is trained on networks of stages before it (`needs` of its
`Definition`), at the steps that they have then; its folder keeps these, and
when they were saved (trained_on.json), or what the file was that the generator
came from. Once one of them is trained further or again, the stage fits it no
longer, and what both give together is neither's result.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import json

from absl import logging
from etils import epath

from semseg_jax import stages as stage_table
from semseg_jax.methods.common import generators
from semseg_jax.methods.common import trained
from semseg_jax.training import checkpoint
from semseg_jax.training import exported
from semseg_jax.training import run_dir

_CURE = ("delete {folders} to train what is in them again, or put back "
         "what they were trained on")
# One that was trained again has as many steps, but another time. Former
# versions kept the times of another run's stages alone.
_SAVED = ", saved at"
_OTHER = " of another run"

def now(config, workdir, name: str, *,
        elsewhere: Mapping[str, epath.Path] | None = None) -> dict[str, int]:
  """{stage that the stage `name` is trained on: the step that it has now}.

  With it {"<stage>, saved at": nanoseconds}, as far as that is known, and
  digests of the files that its networks come from.

  Args:
    config: the experiment's.
    workdir: its folder.
    name: of a stage.
    elsewhere: run folders of stages that are not in this one's.
  """
  steps = {}
  definition = stage_table.of(config, name)
  steps |= {field: digest for field, digest in trained.digests(config).items()
            if field.split(".")[0] in definition.fields}
  for need in definition.needs(config):
    folder = _folder(config, workdir, need, elsewhere)
    step = checkpoint.best(folder / "ckpt")
    if step is not None:
      steps[need] = step
    own = epath.Path((elsewhere or {}).get(need, workdir))
    saved = checkpoint.saved_at(folder / "ckpt")
    if saved:
      other = "" if folder.parent == own else _OTHER
      steps[f"{need}{other}{_SAVED}"] = saved
  return steps


def other_generator(config) -> dict[str, int]:
  """{"step", "saved_at"} of the generator in `config.labels.run`; {}: none."""
  if not config.get("labels", {}).get("run", ""):
    return {}
  folder = exported.place(config.labels.run) / "gan" / "ckpt"
  if not checkpoint.exists(folder):
    return {}
  return {"step": checkpoint.latest(folder),
          "saved_at": checkpoint.saved_at(folder)}


def warn_of_generator(config) -> None:
  """Says where `config.labels.run` was trained otherwise than `config` states.

  Networks of other shapes are an error where they are loaded; another method's
  config has settings of its own for a generator.
  """
  if not other_generator(config):
    return
  place, other = exported.place(config.labels.run), []
  whole = (exported.config(place) if exported.is_file(place)
           else run_dir.described(place)[0] if run_dir.is_known(place) else {})
  if whole.get("method") != config.method:
    return
  names = ("gan", "encoder") if config.method == "semantic_gan" else ("gan",)
  for name in names:
    there = (run_dir.read_json(place / name / "config.json")
             if run_dir.is_known(place / name)
             else stage_table.relevant(run_dir.configured(whole), name))
    here = json.loads(json.dumps(stage_table.relevant(config, name)))
    other += [
        field for field, *values in run_dir.differences(there, here)
        if field.split(".")[0] in (name, "generator", "image_discriminator")
        and not field.endswith(".weights") and "absent" not in values]
  if other:
    logging.warning(
        "config.labels.run: %s was trained with other %s than this config "
        "states; what it was trained with counts", config.labels.run,
        ", ".join(dict.fromkeys(other)))


def check(config, workdir, names: Sequence[str] = (), *,
          elsewhere: Mapping[str, epath.Path] | None = None) -> None:
  """Raises unless the trained stages of a run fit those they were trained on.

  Where no times were kept of these (former versions), it warns of a stage that
  is older than what it was trained on.

  Args:
    config: the experiment's.
    workdir: its folder, or an exported file, which is as it was written.
    names: of stages; empty: all of the config.
    elsewhere: see `now`.

  Raises ValueError: names the stages, and what to do.
  """
  if exported.is_file(workdir):
    return
  workdir, problems, folders = epath.Path(workdir), [], []
  for name in names or config.stages:
    folder = workdir / name
    kept = run_dir.trained_on(folder) or {}
    if not checkpoint.exists(folder / "ckpt"):
      continue
    there = now(config, workdir, name, elsewhere=elsewhere)
    if not any(x.endswith(_SAVED) for x in kept) and (
        not run_dir.adopted(folder)):
      needs = stage_table.of(config, name).needs(config)
      _warn_if_older(folder, [
          _folder(config, workdir, need, elsewhere) for need in needs])
    changed = {}
    for need, step in there.items():
      if kept.get(need, step) != step:
        changed.setdefault(need.removesuffix(_SAVED).removesuffix(_OTHER),
                           _change(need, kept[need], step))
    if changed:
      problems.append(f"stage {name!r} was trained on "
                      f"{' and '.join(changed.values())}")
      folders.append(str(folder))
  if problems:
    raise ValueError(f"{'; '.join(problems)}: "
                     f"{_CURE.format(folders=', '.join(folders))}")


def check_needs(config, workdir, names: Sequence[str]) -> None:
  """Raises unless what stages are trained on is there or comes before them.

  Args:
    names: of the stages, in the order in which they are trained.

  Raises ValueError: names a stage, and the one that it needs.
  """
  for i, name in enumerate(names):
    if run_dir.done_step(epath.Path(workdir) / name) is not None:
      continue
    for need in stage_table.of(config, name).needs(config):
      folder = _folder(config, workdir, need, None)
      if need in names[:i] or checkpoint.exists(folder / "ckpt"):
        continue
      if folder.parent != epath.Path(workdir):
        cure = "correct config.labels.run, or train it there first"
      else:
        cure = (f"put it before {name!r} in config.stages, or train it there "
                f"first, by --stage={need}")
        if need == "gan" and config.method != "semantic_gan":
          cure += ("; or name a converted generator in "
                   "config.generator.weights")
      raise ValueError(
          f"stage {name!r} needs the trained stage {need!r}, which is not in "
          f"{folder}: {cure}")


def check_further(config, workdir, name: str, steps: int) -> None:
  """Raises if to train a stage up to `steps` leaves others behind.

  Before it is trained: its checkpoint that they fit would be gone afterwards.

  Raises ValueError: names the stages, and what to do.
  """
  step = checkpoint.latest(epath.Path(workdir) / name / "ckpt")
  if step is None or step >= steps:
    return
  later = [
      x for x in stage_table.METHODS[config.method]
      if checkpoint.exists(epath.Path(workdir) / x / "ckpt")
      and name in stage_table.of(config, x).needs(config)]
  if later:
    folders = ", ".join(str(epath.Path(workdir) / x) for x in later)
    raise ValueError(
        f"stage {name!r} would be trained from step {step} on to {steps}, and "
        f"what was trained on it as it is would be lost: delete {folders} to "
        f"have that, or copy {epath.Path(workdir) / name} into a new --workdir")


def _folder(config, workdir, name, elsewhere) -> epath.Path:
  """Where the stage is that others of the run read."""
  workdir = (elsewhere or {}).get(name, workdir)
  if name in ("gan", "encoder"):
    workdir = generators.run_of_images(config, workdir)
  return epath.Path(workdir) / name


def _change(need, before, after) -> str:
  if need.endswith(".weights"):
    return f"another file config.{need} than is there now"
  if need.endswith(_SAVED):
    name = need.removesuffix(_SAVED)
    if name.endswith(_OTHER):
      return (f"another {name.removesuffix(_OTHER)!r} than that of "
              "config.labels.run")
    return f"{name!r} before that was trained again"
  return f"{need!r} at step {before}, which is at step {after} now"


def _warn_if_older(folder, needs) -> None:
  saved_at = lambda x: checkpoint.saved_at(x / "ckpt")
  for need in needs:
    if 0 < saved_at(folder) < saved_at(need):
      logging.warning(
          "the checkpoint of %s is older than that of %s, on which it was "
          "trained: if that was trained further since, %s", folder, need,
          _CURE.format(folders=folder))
