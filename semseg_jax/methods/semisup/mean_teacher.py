"""Stage `mean_teacher`: a segmenter that has to agree with its average.

Tarvainen, Valpola: "Mean teachers are better role models", NeurIPS 2017, pixel
by pixel. The student learns from labels; on unlabeled images its class
probabilities have to be those of the teacher, whose parameters are moving
averages of the student's. Both see the same pixels, the student with other
colors, blurred, and both under noise of their own. The teacher is what is
validated and scored.

Where the network has one channel (a U-Net on two classes) probabilities are
sigmoids, else softmax; a DeepLab has two channels for two classes. As in
s4GAN's and MLMT's stages the labeled and the unlabeled batch pass separately,
and the consistency counts the unlabeled one.
"""

import functools

import jax
import jax.numpy as jnp

from semseg_jax.data import views
from semseg_jax.methods import supervised
from semseg_jax.methods.common import checks
from semseg_jax.methods.common import data
from semseg_jax.methods.common import segmenter
from semseg_jax.methods.semisup import streams
from semseg_jax.methods.semisup import teachers
from semseg_jax.ops import image_ops
from semseg_jax.ops import schedules
from semseg_jax.ops import semisup_losses
from semseg_jax.training import stage

# Blocks of the config that the result depends on.
FIELDS = ("mean_teacher", "segmenter", "supervised")


def make(config, workdir, *, module=None) -> stage.Stage:
  """The stage that `config` describes; nothing is read before training.

  Args:
    workdir: the run's folder; this stage needs nothing from it.
    module: a segmenter to train instead of the one the config describes.

  Raises ValueError: no labels, or no moving average.
  """
  del workdir
  c = config.mean_teacher
  checks.labels(config, "mean_teacher")
  if not 0 <= c.ema_decay < 1:
    raise ValueError(f"config.mean_teacher.ema_decay is {c.ema_decay}: it has "
                     "to be at least 0 and below 1")
  module = module or segmenter.build(config)
  tx = segmenter.optimizer(
      config, "mean_teacher", functools.partial(segmenter.groups, module))
  ramp = schedules.sigmoid_ramp(c.rampup)

  def init(key, frozen):
    student = segmenter.init(
        module, key, data.shape(config), segmenter.channels(config), frozen)
    return teachers.State(
        step=jnp.zeros((), jnp.int32), student=student,
        teacher=jax.tree.map(jnp.copy, student),
        optimizer=tx.init(student["params"]))

  def noisy(image, key):
    noise = 255 * c.noise * jax.random.normal(key, image.shape)
    return image_ops.normalize(
        image.astype(jnp.float32) + noise, config.segmenter.normalize)

  def train_step(state, frozen, batch, rngs, *, phase):
    del frozen, phase
    known, free = batch["labeled"], batch["unlabeled"]
    # In training mode, as the student: its running statistics are its own.
    answer, teacher = segmenter.apply(
        module, state.teacher, noisy(free["image"], rngs["teacher_noise"]),
        train=True, key=rngs["teacher"])
    weight = c.consistency_weight * ramp(state.step)

    def loss_fn(params):
      logits, student = segmenter.apply(
          module, {**state.student, "params": params},
          segmenter.normalized(config, known["image"]), train=True,
          key=rngs["labeled"])
      entropy, dice = supervised.label_losses(
          logits, known["label"], data.ignore_index(config))
      guess, student = segmenter.apply(
          module, student, noisy(free["strong"], rngs["student_noise"]),
          train=True, key=rngs["student"])
      gap = semisup_losses.pixel_consistency(
          guess, jax.lax.stop_gradient(answer))
      loss = entropy + c.dice_weight * dice + weight * gap
      return loss, (student, {
          "loss": loss, "cross_entropy": entropy, "dice": dice,
          "consistency": gap, "consistency_weight": weight})

    gradients, (student, metrics) = jax.grad(loss_fn, has_aux=True)(
        state.student["params"])
    return teachers.updated(
        state, tx, gradients, student, teacher, decay=c.ema_decay), metrics

  def rngs(key, phase):
    del phase
    names = ("labeled", "student", "teacher", "student_noise",
             "teacher_noise")
    return dict(zip(names, jax.random.split(key, len(names)), strict=True))

  return stage.Stage(
      steps=c.steps,
      load_frozen=lambda: segmenter.initial(config),
      init=init,
      phases=lambda step: ("step",),
      rngs=rngs,
      train_step=train_step,
      train_data=lambda start: streams.batches(
          config, start, labeled=c.batch_size,
          unlabeled=c.unlabeled_batch_size, color=c.color.to_dict(),
          strong=views.Strong(**c.strong.to_dict())),
      **segmenter.watched(config, module, "teacher"))
