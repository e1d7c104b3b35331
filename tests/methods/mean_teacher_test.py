"""The mean teacher of segmentation: its numbers by hand, streams, a run."""

import itertools

from flax import linen as nn
import jax
import numpy as np
import pytest

from configs.semisup import scenes
from semseg_jax import experiment
from semseg_jax.methods.semisup import mean_teacher
from semseg_jax.methods.semisup import streams
from semseg_jax.ops import schedules
from semseg_jax.training import loop

RATE, DECAY, WEIGHT, RAMPUP, STEPS = 0.5, 0.01, 3.0, 2, 10


class Pixelwise(nn.Module):
  """A linear classifier of colors."""

  classes: int

  @nn.compact
  def __call__(self, image, *, train):
    return nn.Dense(self.classes, name="head")(image)


def toy(**changes):
  c = scenes.get_config("labels=8,method=mean_teacher,smoke")
  c.mean_teacher.update(
      learning_rate=RATE, weight_decay=DECAY, consistency_weight=WEIGHT,
      rampup=RAMPUP, noise=0.0, steps=STEPS, ema_decay=0.6)
  c.update_from_flattened_dict(changes)
  return c


def toy_batch(classes):
  rng = np.random.default_rng(0)
  image = lambda: rng.integers(0, 256, (2, 4, 5, 3), np.uint8)
  label = rng.integers(0, max(2, classes), (2, 4, 5)).astype(np.int32)
  label[:, 0] = 255
  return {"labeled": {"image": image(), "label": label},
          "unlabeled": {"image": image(), "strong": image()}}


def run(config, batch, classes, steps):
  """(the first state, states and metrics of each step)."""
  stage = mean_teacher.make(config, None, module=Pixelwise(classes))
  state = first = stage.init(jax.random.key(0), {})
  step = jax.jit(lambda state, key: stage.train_step(
      state, {}, batch, stage.rngs(key, "step"), phase="step"))
  history = []
  for i in range(steps):
    state, metrics = step(state, jax.random.key(i))
    history.append(jax.device_get((state, metrics)))
  return jax.device_get(first), history


def chances(logits):
  if logits.shape[-1] == 1:
    return 1 / (1 + np.exp(-logits))
  e = np.exp(logits - logits.max(-1, keepdims=True))
  return e / e.sum(-1, keepdims=True)


def through_chances(chance, slope):
  """The gradient in logits of one in probabilities."""
  if chance.shape[-1] == 1:
    return slope * chance * (1 - chance)
  return chance * (slope - (slope * chance).sum(-1, keepdims=True))


def by_hand(params, batch, classes, steps):
  """[(student, teacher, cross entropy, consistency)] of every step."""
  unit = lambda x: x.astype(np.float64) / 127.5 - 1
  student = {k: np.float64(v) for k, v in params["head"].items()}
  teacher, velocity, history = dict(student), None, []
  known = unit(batch["labeled"]["image"])
  weak, strong = (unit(batch["unlabeled"][k]) for k in ("image", "strong"))
  label = batch["labeled"]["label"]
  valid = label != 255
  hot = label[..., None] == (np.arange(classes) if classes > 1 else [1])
  for step in range(steps):
    logits = lambda net, x: x @ net["kernel"] + net["bias"]
    guess = chances(logits(student, known))
    right = np.where(hot, guess, 1 - guess if classes == 1 else 1).prod(-1)
    entropy = -np.log(right[valid]).mean()
    slope = (guess - hot) * valid[..., None] / valid.sum()
    student_chances = chances(logits(student, strong))
    gap = student_chances - chances(logits(teacher, weak))
    ramp = np.exp(-5 * (1 - min(1, step / RAMPUP)) ** 2)
    free = through_chances(student_chances, WEIGHT * ramp * 2 * gap / gap.size)
    gradient = {
        "kernel": np.einsum("nhwc,nhwk->ck", known, slope)
        + np.einsum("nhwc,nhwk->ck", strong, free),
        "bias": (slope + free).sum((0, 1, 2))}
    gradient = {k: g + DECAY * student[k] for k, g in gradient.items()}
    velocity = gradient if velocity is None else {
        k: 0.9 * velocity[k] + g for k, g in gradient.items()}
    rate = RATE * (1 - step / STEPS) ** 0.9
    student = {k: v - rate * velocity[k] for k, v in student.items()}
    keep = min(1 - 1 / (step + 2), 0.6)
    teacher = {k: keep * v + (1 - keep) * student[k]
               for k, v in teacher.items()}
    history.append((student, teacher, entropy, np.square(gap).mean()))
  return history


@pytest.mark.parametrize("classes", [3, 1])
def test_three_steps_by_hand(classes):
  batch = toy_batch(classes)
  first, steps = run(toy(), batch, classes, 3)
  jax.tree.map(np.testing.assert_array_equal, first.teacher, first.student)
  expected = by_hand(first.student["params"], batch, classes, 3)
  for (state, metrics), (student, teacher, entropy, gap) in zip(
      steps, expected, strict=True):
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-6)
    close(metrics["cross_entropy"], entropy)
    close(metrics["consistency"], gap)
    for name in student:
      close(state.student["params"]["head"][name], student[name])
      close(state.teacher["params"]["head"][name], teacher[name])


def test_teacher_and_student_see_noise_of_their_own():
  batch = toy_batch(3)
  batch["unlabeled"]["strong"] = batch["unlabeled"]["image"]
  gap = lambda noise: run(
      toy(**{"mean_teacher.noise": noise}), batch, 3, 1)[1][0][1]["consistency"]
  assert gap(0.0) == 0
  assert 0 < gap(0.02) < gap(0.2)


def test_ramp_of_the_weight():
  ramp = schedules.sigmoid_ramp(10)
  np.testing.assert_allclose(
      ramp(np.array([0, 5, 10, 99])), [np.exp(-5), np.exp(-1.25), 1, 1])
  np.testing.assert_array_equal(
      schedules.sigmoid_ramp(0)(np.array([0, 1])), [1, 1])


def test_strong_views_lie_on_the_weak_ones():
  config = toy(**{"data.num_classes": 10})
  take = lambda start, n, strong: list(itertools.islice(streams.batches(
      config, start, labeled=4, unlabeled=6, strong=strong), n))
  same = streams.views.Strong(0, 0, 0, 0, (0, 0))
  first = take(0, 1, same)[0]["unlabeled"]
  np.testing.assert_array_equal(first["image"], first["strong"])
  whole, late = take(0, 3, streams.views.Strong()), take(
      2, 1, streams.views.Strong())
  jax.tree.map(np.testing.assert_array_equal, whole[2:], late)
  changed = whole[0]["unlabeled"]
  np.testing.assert_array_equal(changed["image"], first["image"])
  assert (changed["strong"] != changed["image"]).any((1, 2, 3)).all()
  # Nothing moves: a view is more like its own image than like its mirror.
  grey = {k: v.mean(-1) for k, v in changed.items()}
  for strong, weak in zip(grey["strong"], grey["image"], strict=True):
    like = [np.corrcoef(strong.ravel(), x.ravel())[0, 1]
            for x in (weak, weak[:, ::-1])]
    assert like[0] > like[1]


def test_interrupted_run_equals_a_whole_one_and_its_teacher_is_scored(tmp_path):
  config = toy(**{"data.num_classes": 10, "mean_teacher.steps": 4,
                  "mean_teacher.noise": 0.05,
                  "mean_teacher.optimizer": "adamw"})
  stage = mean_teacher.make(config, None, module=Pixelwise(10))._replace(
      validate=None, sample=None)
  train = lambda stage, folder: jax.device_get(loop.train(
      stage, workdir=folder / "mean_teacher",
      options=loop.LoopOptions(checkpoint_every=2), key=jax.random.key(0)))
  whole = train(stage, tmp_path / "whole")
  train(stage._replace(steps=2), tmp_path / "toy_faces")
  resumed = train(stage, tmp_path / "toy_faces")
  jax.tree.map(np.testing.assert_array_equal, resumed, whole)


def test_smoke_run_labels_with_the_teacher(tmp_path):
  config = toy(**{"data.num_classes": 10, "mean_teacher.steps": 2,
                  "mean_teacher.noise": 0.05, "segmenter.network": "unet",
                  "supervised.width": 4, "supervised.levels": 1})
  config.stages = ("mean_teacher",)
  experiment.train(config, tmp_path)
  scores = experiment.evaluate(config, tmp_path, splits=["test"])["test"]
  assert list(scores) == ["mean_teacher"]
  assert scores["mean_teacher"]["images"] == config.evaluation.limit


@pytest.mark.parametrize(("changes", "message"), [
    ({"data.num_labeled": 0}, "config.data.num_labeled"),
    ({"mean_teacher.ema_decay": 1.0}, "config.mean_teacher.ema_decay")])
def test_bad_fields_are_named(changes, message):
  with pytest.raises(ValueError, match=message):
    mean_teacher.make(toy(**changes), None)
