"""Stage `mlmt`: a multi-label mean teacher, which classes an image shows.

Mittal, Tatarchenko, Brox: "Semi-Supervised Semantic Segmentation with High- and
Low-Level Consistency", TPAMI 2021, section 3.2. A classifier learns from the
classes of labeled images; on unlabeled ones its answer to a strong view has
to be that of its average over time, the teacher (Tarvainen and Valpola 2017),
to a weak view. The teacher's scores remove classes from segmentations
(`fusion`).

Time goes in epochs, of which a run has `mlmt.epochs` of equal length.
"""

import jax
import jax.numpy as jnp
import optax

from semseg_jax.methods.common import checks
from semseg_jax.methods.common import segmenter
from semseg_jax.methods.semisup import class_report
from semseg_jax.methods.semisup import classifiers
from semseg_jax.methods.semisup import streams
from semseg_jax.methods.semisup import teachers
from semseg_jax.ops import schedules
from semseg_jax.ops import semisup_losses
from semseg_jax.training import optimizers
from semseg_jax.training import stage

# Blocks of the config that the result depends on.
FIELDS = ("mlmt", "segmenter", "supervised")
BEST_METRIC = "val/mean_average_precision"

_CONSISTENCY = {"mse": semisup_losses.squared_consistency,
                "cosine": semisup_losses.cosine_consistency}


def epoch_of(c):
  """step -> epoch from 0, a whole number."""
  return lambda step: step * c.epochs // c.steps


def learning_rate(c) -> optax.Schedule:
  """Cosine over epochs."""
  rate = optax.cosine_decay_schedule(
      c.learning_rate, c.epochs, c.final_learning_rate / c.learning_rate)
  return lambda step: rate(epoch_of(c)(step))


def consistency_weight(c) -> optax.Schedule:
  """0 for the first epochs, then a ramp up to `weight`."""
  ramp = schedules.burn_in_ramp(c.burn_in, c.ramp)
  return lambda step: c.consistency_weight * ramp(epoch_of(c)(step))


def make(config, workdir, *, module=None) -> stage.Stage:
  """The stage that `config` describes; nothing is read before training.

  Args:
    workdir: the run's folder, with the stage that `config.mlmt.start` names.
    module: a classifier to train instead of the one the config describes.

  Raises ValueError: no labels, no rate, an unknown consistency, or too many
    epochs.
  """
  c = config.mlmt
  checks.labels(config, "mlmt")
  if c.consistency not in _CONSISTENCY:
    raise ValueError(f"config.mlmt.consistency is {c.consistency!r}; choose "
                     f"one of {sorted(_CONSISTENCY)}")
  if not c.learning_rate:
    raise ValueError("config.mlmt.learning_rate is 0: give more than 0")
  if c.steps * c.epochs >= 2**31:  # `epoch_of` a step is counted in int32
    raise ValueError(f"config.mlmt.steps={c.steps} times .epochs={c.epochs} is "
                     f"{2**31} or more: give fewer epochs")
  distance = _CONSISTENCY[c.consistency]
  module = module or classifiers.build(config)
  tx = optimizers.sgd(
      learning_rate(c), momentum=c.momentum, nesterov=True,
      weight_decay=c.weight_decay)
  weight_at = consistency_weight(c)

  def init(key, frozen):
    keys = jax.random.split(key)
    start = lambda key: segmenter.init(
        module, key, classifiers.shape(config),
        segmenter.channels(config, "mlmt"), frozen)
    student = start(keys[0])
    # The official code initializes the teacher's classifier separately.
    teacher = start(keys[1]) if config.match_official else jax.tree.map(
        jnp.copy, student)
    return teachers.State(
        step=jnp.zeros((), jnp.int32), student=student, teacher=teacher,
        optimizer=tx.init(student["params"]))

  def train_step(state, frozen, batch, rngs, *, phase):
    del frozen, rngs, phase
    image = lambda x: segmenter.normalized(config, x, "mlmt")
    labeled, free = batch["labeled"], batch.get("unlabeled")
    weight = weight_at(state.step)
    teacher = state.teacher
    answer = None
    if free is not None:
      answer, teacher = segmenter.forward(
          module, teacher, image(free["image"]), train=True)

    def loss_fn(params):
      logits, student = segmenter.forward(
          module, {**state.student, "params": params},
          image(labeled["image"]), train=True)
      known = semisup_losses.multi_label(logits, labeled["classes"])
      metrics = {"class": known}
      loss = known
      if free is not None:
        guess, student = segmenter.forward(
            module, student, image(free["strong"]), train=True)
        gap = distance(guess, jax.lax.stop_gradient(answer))
        loss = loss + weight * gap
        metrics |= {"consistency": gap, "consistency_weight": weight}
        if "classes" in free:
          # Image-level labels: known classes of images without a label map.
          weakly = semisup_losses.multi_label(guess, free["classes"])
          loss = loss + weakly
          metrics["weak_class"] = weakly
      return loss, (student, metrics | {"loss": loss})

    gradients, (student, metrics) = jax.grad(loss_fn, has_aux=True)(
        state.student["params"])
    if free is None or config.match_official:
      # Without unlabeled images the average has its running statistics from
      # the labeled ones. The official code logs its predictions for these,
      # which updates the statistics, too.
      _, teacher = segmenter.forward(
          module, teacher, image(labeled["image"]), train=True)
    return teachers.updated(
        state, tx, gradients, student, teacher, decay=c.ema_decay), {
            f"mlmt/{k}": v for k, v in metrics.items()}

  return stage.Stage(
      steps=c.steps, load_frozen=lambda: classifiers.initial(config, workdir),
      init=init, phases=lambda step: ("step",), rngs=lambda key, phase: (),
      train_step=train_step,
      train_data=lambda start: streams.view_batches(config, start),
      validate=class_report.validator(config, module))


