"""s4GAN, AdvSSL and MLMT: their steps, streams, resuming, mistakes."""

import functools
import re

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs.semisup import base
from configs.semisup import camvid
from configs.semisup import scenes
from configs.semisup import small
from semseg_jax.methods import supervised
from semseg_jax.methods.common import segmenter
from semseg_jax.methods.semisup import adv_ssl
from semseg_jax.methods.semisup import classifier
from semseg_jax.methods.semisup import mean_teacher
from semseg_jax.methods.semisup import mlmt
from semseg_jax.methods.semisup import s4gan
from semseg_jax.training import loop

CLASSES = 3


def toy(**changes):
  c = scenes.get_config("labels=8,smoke")
  small.smoke(c)
  c.data.num_classes = CLASSES
  c.update_from_flattened_dict(changes)
  return c


def toy_batch(seed=0, n=4, size=32):
  """Bands of color whose label is their color, so that there is a way."""
  rng = np.random.default_rng(seed)

  def pair():
    label = rng.integers(0, CLASSES, (n, size // 8, 1)).repeat(8, 1).repeat(
        size, 2).astype(np.int32)
    image = np.stack([label * 100] * 3, -1).astype(np.uint8)
    ignored = label.copy()
    ignored[:, :2] = 255
    return {"image": image, "label": ignored}

  return {"labeled": pair(), "unlabeled": {"image": pair()["image"]},
          "real": pair()}


def run(stage, batch, steps):
  """(states and metrics of each step); the step is compiled once.

  It is one program that the host has no part in: what is selected for
  self-training is masked, not gathered.
  """
  state = jax.jit(stage.init)(jax.random.key(0), {})
  step = jax.jit(lambda state, batch, key: stage.train_step(
      state, {}, batch, stage.rngs(key, "step"), phase="step"))
  program = step.lower(state, batch, jax.random.key(0)).as_text()
  assert not re.search("callback|infeed|outfeed", program)
  history = []
  for i in range(steps):
    state, metrics = step(state, batch, jax.random.key(i))
    history.append(jax.device_get((state, metrics)))
  assert step._cache_size() == 1
  return history


ADVERSARIAL = ["s4gan", pytest.param("adv_ssl", marks=pytest.mark.slow)]


@pytest.fixture(scope="module")
def adversarial_run():
  """run(stage) -> [(state, metrics) of each step], trusted from step 3."""

  @functools.cache
  def steps(name):
    config = toy(**{
        f"{name}.threshold": 0.01, f"{name}.self_training_start": 3,
        f"{name}.learning_rate": 0.05, f"{name}.steps": 12})
    batch = toy_batch()
    if name == "adv_ssl":
      del batch["real"]
    module = {"s4gan": s4gan, "adv_ssl": adv_ssl}[name]
    return run(module.make(config, None), batch, 8)

  return steps


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_steps_lower_the_loss_and_train_both(adversarial_run, name):
  steps = adversarial_run(name)
  metrics = [m for _, m in steps]
  assert metrics[-1]["s/cross_entropy"] < 0.8 * metrics[0]["s/cross_entropy"]
  for values in metrics:
    assert all(np.isfinite(v) for v in values.values())
  first, last = steps[0][0], steps[-1][0]
  assert last.step == len(steps)
  for tree in ("network", "discriminator"):
    moved = jax.tree.map(lambda a, b: bool((a != b).any()),
                         getattr(first, tree), getattr(last, tree))
    assert all(jax.tree.leaves(moved)), tree
  # Batch norm sees the labeled and the unlabeled batch.
  assert last.network["batch_stats"]["backbone"]["stem_bn"][
      "count"] == 2 * len(steps)


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_dice_is_added_to_the_labels_loss(adversarial_run, name):
  first = adversarial_run(name)[0][1]
  module = {"s4gan": s4gan, "adv_ssl": adv_ssl}[name]
  config = toy(**{f"{name}.dice_weight": 2.0, f"{name}.self_training_start": 3})
  batch = toy_batch()
  if name == "adv_ssl":
    del batch["real"]
  _, weighted = run(module.make(config, None), batch, 1)[0]
  assert first["s/dice"] > 0.1
  np.testing.assert_allclose(weighted["s/dice"], first["s/dice"], rtol=1e-4)
  np.testing.assert_allclose(
      weighted["s/loss"], first["s/loss"] + 2 * first["s/dice"], rtol=1e-4)


@pytest.mark.slow
def test_without_its_own_losses_s4gan_is_the_baseline():
  config = toy(**{"s4gan.feature_matching_weight": 0.0,
                  "s4gan.self_training_weight": 0.0})
  ours, baseline = s4gan.make(config, None), supervised.make(config, None)
  start = jax.jit(baseline.init)(jax.random.key(0), {})
  state = jax.jit(ours.init)(jax.random.key(1), {}).replace(
      network=start.network)
  batch = toy_batch()
  trained = [
      jax.jit(lambda state, stage=stage: stage.train_step(
          state, {}, batch, stage.rngs(jax.random.key(2), "step"),
          phase="step"))(x)[0].network["params"]
      for stage, x in ((ours, state), (baseline, start))]
  jax.tree.map(lambda a, b: np.testing.assert_allclose(
      a, b, rtol=1e-4, atol=1e-6), *trained)
  assert any(jax.tree.leaves(jax.tree.map(
      lambda a, b: bool((a != b).any()), trained[0], start.network["params"])))


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_self_training_starts_late(adversarial_run, name):
  for i, (_, metrics) in enumerate(adversarial_run(name)):
    assert metrics["s/selected"] == (1.0 if i >= 3 else 0.0)
    assert (metrics["s/self_training"] > 0) == (i >= 3)


class Dense(nn.Module):
  """A classifier of mean colors, for speed."""

  classes: int = CLASSES

  @nn.compact
  def __call__(self, image, *, train):
    return nn.Dense(self.classes)(image.mean((1, 2)))


def view_batch(**changes):
  rng = np.random.default_rng(0)
  image = lambda: rng.uniform(-1, 1, (4, 6, 6, 3)).astype(np.float32)
  classes = rng.integers(0, 2, (4, CLASSES)).astype(np.float32)
  return {"labeled": {"image": image(), "classes": classes},
          "unlabeled": {"image": image(), "strong": image(), **changes}}


def train_mlmt(config, batch, steps=6):
  return run(mlmt.make(config, None, module=Dense()), batch, steps)


@pytest.mark.parametrize("consistency", ["mse", "cosine"])
def test_teacher_averages_and_is_followed(consistency):
  config = toy(**{"mlmt.consistency": consistency, "mlmt.steps": 6,
                  "mlmt.epochs": 6, "mlmt.burn_in": 1, "mlmt.ramp": 1.0,
                  "mlmt.learning_rate": 0.1})
  steps = train_mlmt(config, view_batch())
  gaps = [m["mlmt/consistency"] for _, m in steps]
  assert gaps[-1] < gaps[1]  # Before the first step that it trains the student.
  weights = [m["mlmt/consistency_weight"] for _, m in steps]
  assert weights == [0, 0, 1, 1, 1, 1]
  students = [s.student["params"] for s, _ in steps]
  start = jax.device_get(mlmt.make(config, None, module=Dense()).init(
      jax.random.key(0), {}))
  average = jax.tree.map(lambda a, b: (a + b) / 2, start.teacher["params"],
                         students[0])
  for i, student in enumerate(students[1:], start=2):
    # As long as the decay is that of an average of all.
    average = jax.tree.map(
        lambda a, s, i=i: a + (s - a) / (i + 1), average, student)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4,
                                                       atol=1e-6),
               steps[-1][0].teacher["params"], average)


def test_weight_zero_is_a_plain_classifier():
  config = toy(**{"mlmt.consistency_weight": 0.0})
  batch = view_batch()
  without = {"labeled": batch["labeled"]}
  a, b = (train_mlmt(config, x, 3)[-1][0].student for x in (batch, without))
  jax.tree.map(np.testing.assert_array_equal, a, b)
  assert classifier.make(toy(), None).steps == toy().mlmt.steps


class Normed(Dense):
  """The same with batch norm before it."""

  @nn.compact
  def __call__(self, image, *, train):
    x = nn.BatchNorm(use_running_average=not train, name="norm")(
        image.mean((1, 2)))
    return nn.Dense(self.classes)(x)


@pytest.mark.parametrize("without", [False, True])
def test_the_average_has_running_statistics_of_its_own(without):
  batch = view_batch()
  if without:  # as in the stage `classifier`
    del batch["unlabeled"]
  steps = run(mlmt.make(toy(), None, module=Normed()), batch, 2)
  seen = batch["labeled" if without else "unlabeled"]["image"].mean((0, 1, 2))
  mean = steps[-1][0].teacher["batch_stats"]["norm"]["mean"]
  np.testing.assert_allclose(mean, (1 - 0.99 ** 2) * seen, rtol=1e-4)


def test_mlmt_of_gray_images_as_imagenets_networks_take_them():
  config = toy(**{"data.channels": 1, "mlmt.normalize": "imagenet"})
  stage = mlmt.make(config, None)
  images = jax.ShapeDtypeStruct((4, 32, 32, 1), np.uint8)
  batch = {"labeled": {"image": images, "classes": jax.ShapeDtypeStruct(
      (4, CLASSES), np.float32)},
           "unlabeled": {"image": images, "strong": images}}
  state = jax.eval_shape(lambda key: stage.init(key, {}), jax.random.key(0))
  after, _ = jax.eval_shape(
      lambda *x: stage.train_step(*x, (), phase="step"), state, {}, batch)
  assert jax.tree.structure(after) == jax.tree.structure(state)


@pytest.mark.parametrize("module", [s4gan, adv_ssl])
def test_a_unet_of_two_classes_has_no_channel_for_each(module):
  config = toy(**{"segmenter.network": "unet", "data.num_classes": 2})
  with pytest.raises(ValueError, match="one channel for two"):
    module.make(config, None)


@pytest.mark.parametrize(("module", "part"), [
    (supervised, "network"), (mean_teacher, "teacher")])
def test_mlmt_starts_from_the_backbone_of_a_segmenter(tmp_path, module, part):
  name = module.__name__.rpartition(".")[2]
  config = toy(**{"data.num_classes": 10, "mlmt.start": name})
  stage = mlmt.make(config, tmp_path)
  with pytest.raises(FileNotFoundError, match=f"mlmt needs .*'{name}'"):
    stage.load_frozen()
  trained = getattr(loop.train(
      module.make(config, None)._replace(steps=0, validate=None, sample=None),
      workdir=tmp_path / name, options=loop.LoopOptions(),
      key=jax.random.key(5)), part)
  state = stage.init(jax.random.key(0), stage.load_frozen())
  for kind in ("params", "batch_stats"):
    jax.tree.map(np.testing.assert_array_equal,
                 state.student[kind]["backbone"],
                 trained[kind]["backbone"])
  config.mlmt.weights = "backbone.safetensors"
  with pytest.raises(ValueError, match="config.mlmt.start"):
    mlmt.make(config, tmp_path).load_frozen()


def test_image_labels_are_learned():
  known = np.ones((4, CLASSES), np.float32)
  steps = train_mlmt(toy(), view_batch(classes=known), 3)
  assert steps[-1][1]["mlmt/weak_class"] < steps[0][1]["mlmt/weak_class"]


@pytest.mark.parametrize(
    "make", [pytest.param(s4gan.make, marks=pytest.mark.slow),
             lambda config, workdir: mlmt.make(
                 config, workdir, module=Dense(10))], ids=["s4gan", "mlmt"])
def test_interrupted_run_equals_a_whole_one(make, tmp_path):
  config = toy(**{"data.num_classes": 10})
  stage = make(config, None)._replace(validate=None, sample=None)
  train = lambda stage, folder: jax.device_get(loop.train(
      stage, workdir=folder, options=loop.LoopOptions(checkpoint_every=2),
      key=jax.random.key(0)))
  whole = train(stage, tmp_path / "whole")
  train(stage._replace(steps=2), tmp_path / "toy_faces")
  resumed = train(stage, tmp_path / "toy_faces")
  jax.tree.map(np.testing.assert_array_equal, resumed, whole)


def test_official_backbone_is_listed_three_and_four_times():
  config = toy(match_official=True)
  module = segmenter.build(config)
  params = jax.eval_shape(lambda: segmenter.init(
      module, jax.random.key(0), (32, 32), 3))["params"]
  counts = segmenter.official_repeats(params)
  trunk = counts["backbone"]
  assert trunk["stem"]["kernel"] == 1
  assert trunk["layer1_0"]["conv1"]["kernel"] == 3
  assert trunk["layer2_0"]["shortcut"]["kernel"] == 4
  assert counts["branch0"]["kernel"] == 1
  groups = segmenter.groups(module, params)
  assert groups["branch1"]["kernel"] == "head"
  assert groups["branch2"]["kernel"] == "frozen"
  assert groups["backbone"]["stem"]["kernel"] == "backbone"


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_frozen_parameters_stay(name):
  config = toy(**{"s4gan.optimizer": name, "s4gan.weight_decay": 0.1})
  names = {"trunk": "backbone", "classifier": "head", "norm": "frozen"}
  tx = segmenter.optimizer(config, "s4gan", lambda params: names)
  params = {k: jnp.ones(2) for k in names}
  deltas, _ = tx.update(params, tx.init(params), params)
  moved = {k: float(jnp.abs(v).min()) for k, v in deltas.items()}
  assert moved["norm"] == 0
  assert min(moved["trunk"], moved["classifier"]) > 0


@pytest.mark.parametrize(("stage", "changes", "message"), [
    (s4gan, {"data.num_labeled": 0}, "config.data.num_labeled"),
    (adv_ssl, {"data.num_labeled": 0}, "config.data.num_labeled"),
    (mlmt, {"data.num_labeled": 0}, "config.data.num_labeled"),
    (s4gan, {"s4gan.threshold": 1.5}, "config.s4gan.threshold"),
    (adv_ssl, {"adv_ssl.threshold": -0.1}, "config.adv_ssl.threshold"),
    (mlmt, {"mlmt.consistency": "l1"}, "config.mlmt.consistency"),
    (mlmt, {"mlmt.steps": 2**21, "mlmt.epochs": 2**11}, "give fewer epochs"),
    (mlmt, {"mlmt.pooling": "sum"}, "config.mlmt.pooling"),
    (mlmt, {"mlmt.learning_rate": 0.0}, "config.mlmt.learning_rate"),
    (s4gan, {"segmenter.network": "fcn"}, "config.segmenter.network"),
    (s4gan, {"s4gan.optimizer": "lamb"}, "config.s4gan.optimizer"),
    (adv_ssl, {"adv_ssl.optimizer": "lamb"}, "config.adv_ssl.optimizer"),
])
def test_bad_fields_are_named(stage, changes, message):
  with pytest.raises(ValueError, match=message):
    stage.make(toy(**changes), None)


@pytest.mark.parametrize(
    "module", [supervised, mean_teacher, adv_ssl, s4gan, mlmt])
def test_without_a_validation_split_nothing_is_validated(module):
  stage = module.make(toy(**{"data.validation": ""}), None)
  assert (stage.validate, stage.sample) == (None, None)


@pytest.mark.parametrize("field", ["segmenter", "mlmt"])
def test_missing_weights_are_named(field):
  stage = {"segmenter": s4gan, "mlmt": mlmt}[field].make(
      toy(**{f"{field}.weights": "absent.safetensors"}), None)
  with pytest.raises(FileNotFoundError, match=f"config.{field}.weights"):
    stage.load_frozen()


@pytest.mark.parametrize(("arg", "message"), [
    ("ratio=1.5", "ratio=1.5"), ("ratio=-1", "ratio=-1"),
    ("ratio=0.0001", "less than one"), ("method=cutmix", "s4gan_mlmt")])
def test_bad_arguments(arg, message):
  with pytest.raises(ValueError, match=message):
    scenes.get_config(arg)


def test_methods_choose_stages():
  for method, stages in base.METHODS.items():
    assert scenes.get_config(f"method={method}").stages == stages
    assert stages[0] == "supervised"
  assert scenes.get_config("ratio=0.05").data.num_labeled == 200
  assert camvid.get_config("ratio=0.25").data.num_labeled == 91
  assert camvid.get_config().data.num_labeled == 46
  # The rest of the pool is unlabeled; with all labels, everything.
  assert camvid.get_config().data.num_unlabeled == 367 - 46
  assert scenes.get_config("ratio=1").data.num_unlabeled == -1
