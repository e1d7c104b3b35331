"""Every stage of every method, in one table.

A stage is known by its name in `config.stages` and the method it belongs to.
What it offers (how it trains, predicts, reports) is a `Definition`; a new
method adds its entries here and nothing elsewhere.
"""

from collections.abc import Callable
import dataclasses
import functools
import json
from typing import Any

from semseg_jax import joint_model
from semseg_jax import monitoring
from semseg_jax.methods import fully_supervised
from semseg_jax.methods import gan
from semseg_jax.methods import supervised
from semseg_jax.methods.common import data
from semseg_jax.methods.common import networks
from semseg_jax.methods.common import perceptual
from semseg_jax.methods.common import segmenter as segmenters
from semseg_jax.methods.fewshot_smis import encoder as smis_encoder
from semseg_jax.methods.fewshot_smis import shots as smis_shots
from semseg_jax.methods.repurpose_gan import autoshot
from semseg_jax.methods.repurpose_gan import segmenter
from semseg_jax.methods.repurpose_gan import shots
from semseg_jax.methods.semantic_gan import combined
from semseg_jax.methods.semantic_gan import distilled
from semseg_jax.methods.semantic_gan import encoder
from semseg_jax.methods.semantic_gan import label_head
from semseg_jax.methods.semantic_gan import labeling
from semseg_jax.methods.semisup import adv_ssl
from semseg_jax.methods.semisup import class_report
from semseg_jax.methods.semisup import classifier
from semseg_jax.methods.semisup import fusion
from semseg_jax.methods.semisup import mean_teacher
from semseg_jax.methods.semisup import mlmt
from semseg_jax.methods.semisup import s4gan
from semseg_jax.training import stage

# predict(images uint8 [B, H, W, C], indices [B]) -> {row of the results:
# {"logits" [B, H, W, K], "reconstruction"?, "confidence"? [B]}}.
Predict = Callable[[Any, Any], dict[str, dict[str, Any]]]


@dataclasses.dataclass(frozen=True)
class Definition:
  """What a method offers under the name of a stage.

  Attributes:
    make: (config, workdir) -> `training.stage.Stage`; reads nothing before its
      `load_frozen`.
    fields: blocks of the config that the trained result depends on. A stage
      that can split its batches names "num_microbatches".
    scored: further blocks that its rows depend on.
    fixed: "block.steps" that are none of the stage's own: other ones would not
      make it go on, but give another result.
    counted: the block with the stage's steps; "": that of its name.
    unused: config -> those of `fields` that this config makes no use of.
    needs: config -> names of the stages before it whose networks it is trained
      on: these cannot be trained further afterwards.
    predictor: (config, workdir) -> `Predict` of the trained stage, or None.
    labeler: `predictor` for new images, if that keeps results in the run's
      folder; None: the same.
    combiner: (config, workdir) -> (source, indices, rows) -> further rows made
      of those that the predictors gave, or None.
    report: (config, workdir, source, folder) -> dict for the record of a split
      beside segmentations, or None.
    summary: (config, workdir) -> dict for the records of all splits, or {}.
    effective: config -> the config that the stage really uses.
    rows: (config, the stage's name) -> names of the rows of `predictor` or
      `combiner` that label new images.
    best_metric: metric of validation that chooses the best checkpoint; None:
      the last one is used.
    parts: (config, rows) -> names of the state's parts that these rows of the
      run's results, and samples, are made from.
    beside: (config, workdir) -> {name: array} that an exported file holds with
      these parts, or None.
  """
  make: Callable[[Any, Any], stage.Stage]
  fields: tuple[str, ...]
  scored: tuple[str, ...] = ()
  fixed: tuple[str, ...] = ()
  counted: str = ""
  unused: Callable[[Any], tuple[str, ...]] = lambda config: ()
  needs: Callable[[Any], tuple[str, ...]] = lambda config: ()
  predictor: Callable[[Any, Any], Predict] | None = None
  labeler: Callable[[Any, Any], Predict] | None = None
  combiner: Callable[[Any, Any], Callable[..., dict]] | None = None
  report: Callable[..., dict] | None = None
  summary: Callable[[Any, Any], dict] | None = None
  effective: Callable[[Any], Any] = lambda config: config
  rows: Callable[[Any, str], tuple[str, ...]] = lambda config, name: ()
  best_metric: str | None = "val/miou"
  parts: Callable[[Any, Any], tuple[str, ...]] = lambda config, rows: (
      "network",)
  beside: Callable[[Any, Any], dict[str, Any]] | None = None


def _monitored_gan(config, workdir) -> stage.Stage:
  """The stage `gan` with what is watched while it trains."""
  made = gan.make(config, workdir)
  if config.monitor.samples:
    made = made._replace(validate=monitoring.make(config))
  return made


def _labeled_by_inversion(config, workdir) -> Predict:
  """Rows of encoder and inversion; none of a generator without labels."""
  if not networks.branch_channels(config):
    return lambda images, indices: {}
  return labeling.predictor(config, workdir)


def _own_row(config, name: str) -> tuple[str, ...]:
  """The one row of a segmenter, which is called as its stage."""
  return (name,)


def _inversion_rows(config, name: str) -> tuple[str, ...]:
  """Rows of encoder and inversion, if the run labels its samples so."""
  stage_of_labels = ("label_head" if config.labels.head == "fitted"
                     else "encoder")
  if name != stage_of_labels or not config.data.num_labeled:
    return ()
  steps = sorted({0, config.inversion.steps, *config.inversion.snapshots})
  return tuple(labeling.method_name(config, n) for n in steps)


def _generator(config) -> tuple[str, ...]:
  """The stage with the generator, unless it is a file's."""
  return () if config.generator.get("weights", "") else ("gan",)


def _segmenter_needs(config) -> tuple[str, ...]:
  """The generator, and the annotator where one labels its samples."""
  annotator = "fully_supervised"
  annotated = config.shots.source == annotator
  return (*_generator(config), *((annotator,) if annotated else ()))


def _start(config) -> tuple[str, ...]:
  """The segmenter that an image classifier starts from."""
  return (config.mlmt.start,) if config.mlmt.start else ()


def _part(name: str):
  return lambda config, rows: (name,)


def _gan_parts(config, rows) -> tuple[str, ...]:
  """The averaged generator, and discriminators that images are compared by."""
  parts = ("ema", "noise")
  inverted = any("inversion" in row for row in rows)
  if inverted and perceptual.kind(config) == "discriminator":
    parts += ("image_discriminator",)
  if (inverted or "encoder" in rows) and networks.branch_channels(config):
    parts += ("patch_discriminator",)  # for the confidence
  return parts


def _fused_rows(config, name: str) -> tuple[str, ...]:
  """Rows of MLMT: the segmenters without the classes it calls absent."""
  return tuple(f"{row}+{name}" for row in ("supervised", "s4gan")
               if row in config.stages)


def _distilled_rows(config, name: str) -> tuple[str, ...]:
  """The segmenter's own row, and the one together with inversion."""
  inverted = any(combined.INVERSION in _inversion_rows(config, other)
                 for other in config.stages)
  return (name, *((combined.ROW,) if inverted else ()))


def _segmenter(module, name: str, part: str = "network") -> Definition:
  """A stage that trains the segmenter of the config: a row of its own."""
  return Definition(
      module.make, module.FIELDS, rows=_own_row, parts=_part(part),
      predictor=functools.partial(
          segmenters.predictor, stage_name=name, name=part))


_BASELINES = {
    "supervised": _segmenter(supervised, "supervised"),
    "fully_supervised": Definition(
        fully_supervised.make, fully_supervised.FIELDS,
        counted="supervised", predictor=fully_supervised.predictor,
        rows=_own_row,
        effective=fully_supervised.effective),
}
_GENERATIVE = _BASELINES | {
    "gan": Definition(
        _monitored_gan, gan.FIELDS, unused=gan.unused,
        summary=joint_model.of_branch, best_metric=None, parts=_gan_parts),
}

METHODS = {
    "semantic_gan": _GENERATIVE | {
        "encoder": Definition(
            encoder.make, encoder.FIELDS, scored=("inversion",),
            needs=lambda config: ("gan",),
            predictor=_labeled_by_inversion, rows=_inversion_rows,
            parts=_part("encoder")),
        "label_head": Definition(
            label_head.make, label_head.FIELDS, needs=label_head.needs,
            fixed=("inversion.steps",), counted="few_shot",
            predictor=labeling.predictor, rows=_inversion_rows,
            summary=joint_model.summary, best_metric=None,
            parts=_part("segmenter")),
        "distilled": dataclasses.replace(
            _segmenter(distilled, "distilled"), needs=distilled.needs,
            rows=_distilled_rows, combiner=combined.combiner),
    },
    "repurpose_gan": _GENERATIVE | {
        "segmenter": Definition(
            segmenter.make, segmenter.FIELDS, unused=segmenter.unused,
            needs=_segmenter_needs, fixed=("inversion.steps",),
            counted="few_shot",
            predictor=segmenter.predictor,
            labeler=functools.partial(segmenter.predictor, keep=False),
            rows=lambda config, name: ("inversion",),
            parts=_part("segmenter")),
        "autoshot": Definition(
            autoshot.make, autoshot.FIELDS, unused=segmenter.unused,
            fixed=("inversion.steps",),
            needs=lambda config: (*_generator(config), "segmenter"),
            predictor=autoshot.predictor,
            rows=lambda config, name: ("auto_shot",)),
    },
    "fewshot_smis": _GENERATIVE | {
        "shots": Definition(
            smis_shots.make, smis_shots.FIELDS, needs=_generator,
            fixed=("shots.steps",), parts=_part("latents"),
            beside=smis_shots.masks),
        "encoder": Definition(
            smis_encoder.make, smis_encoder.FIELDS, unused=smis_encoder.unused,
            needs=lambda config: (*_generator(config), "shots"),
            fixed=("shots.steps",),
            best_metric=smis_encoder.BEST_METRIC, parts=_part("encoder")),
    },
    "semisup": _BASELINES | {
        "adv_ssl": _segmenter(adv_ssl, "adv_ssl"),
        "mean_teacher": _segmenter(mean_teacher, "mean_teacher", "teacher"),
        "s4gan": _segmenter(s4gan, "s4gan"),
        "classifier": Definition(
            classifier.make, classifier.FIELDS, needs=_start, counted="mlmt",
            best_metric=classifier.BEST_METRIC,
            parts=lambda config, rows: ()),
        "mlmt": Definition(
            mlmt.make, mlmt.FIELDS, needs=_start, combiner=fusion.combiner,
            report=class_report.write, rows=_fused_rows,
            best_metric=mlmt.BEST_METRIC, parts=_part("teacher")),
    },
}

# Method -> (config -> `datasets.Spec` of its labels), where these may be other
# classes than the data set's.
_SPECS = {"repurpose_gan": shots.spec}


def of(config, name: str) -> Definition:
  """The stage `name` of the config's method.

  Raises:
    ValueError: there is no such method or stage.
  """
  if config.method not in METHODS:
    raise ValueError(f"config.method is {config.method!r}; choose one of "
                     f"{', '.join(METHODS)}")
  stages = METHODS[config.method]
  if name not in stages:
    raise ValueError(
        f"--stage or config.stages: method {config.method!r} has no stage "
        f"{name!r}; choose from {', '.join(stages)}")
  return stages[name]


def steps_field(method: str, name: str) -> str:
  """The field with a stage's steps, also of a stage that does not exist."""
  definition = METHODS.get(method, {}).get(name)
  return f"{(definition and definition.counted) or name}.steps"


def spec_of(config):
  """`datasets.Spec` of a config's labels; None without data set and masks."""
  if config.data.name or (
      config.method in _SPECS and config.shots.source == "folder"):
    return _SPECS.get(config.method, lambda c: data.dataset(c).spec)(config)
  return None


def make(config, workdir, name: str) -> stage.Stage:
  """The stage `name` of a config, ready to train.

  Raises:
    ValueError: the config asks for what the stage cannot do.
  """
  definition = of(config, name)
  if (config.num_microbatches > 1
      and "num_microbatches" not in definition.fields):
    raise ValueError(
        f"config.num_microbatches is {config.num_microbatches}, but stage "
        f"{name!r} of method {config.method!r} takes its batches whole: set it "
        "to 1")
  return definition.make(config, workdir)


def relevant(config, name: str) -> dict:
  """The blocks of `config` that stage `name` depends on, plain values."""
  definition = of(config, name)
  plain = json.loads(definition.effective(config).to_json_best_effort())
  names = {"data", "dtype", "matmul_precision", "match_official", "seed",
           *definition.fields}
  if config.num_microbatches == 1:  # what runs from before the field had
    names.discard("num_microbatches")
  names -= set(definition.unused(config))
  return {name: plain[name] for name in sorted(names)}
