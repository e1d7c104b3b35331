"""Golden checks of s4GAN + MLMT: losses, steps, optimizer, fusion, schedules.

The tiny networks of the recorded steps are written out here, as the manifests
describe them; losses, steps and updates are the product's.
"""

import re

import cases
from flax import linen as nn
import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from configs import common
from configs.semisup import base
from semseg_jax.methods.common import segmenter
from semseg_jax.methods.semisup import fusion
from semseg_jax.methods.semisup import mlmt
from semseg_jax.methods.semisup import s4gan
from semseg_jax.methods.semisup import teachers
from semseg_jax.models import segmentation_discriminators
from semseg_jax.ops import class_scores
from semseg_jax.ops import image_ops
from semseg_jax.ops import resample
from semseg_jax.ops import schedules
from semseg_jax.ops import scores
from semseg_jax.ops import segmentation_losses
from semseg_jax.ops import semisup_losses
from semseg_jax.training import optimizers


def logit(score):
  """What a score was the sigmoid of; 0 and 1 give infinities."""
  score = np.asarray(score, np.float64)
  with np.errstate(divide="ignore"):
    return (np.log(score) - np.log1p(-score)).astype(np.float32)


def losses(case):
  classes = case.manifest["num_classes"]
  ignore = case.manifest["ignore_label"]
  logits = cases.nhwc(case.input("logits"))
  labels = case.input("labels").astype(np.int32)
  entropy, gradient = jax.value_and_grad(
      lambda x: segmentation_losses.cross_entropy(
          x, labels, ignore_index=ignore))(jnp.asarray(logits))
  case.check("ce", entropy, 1e-5)
  case.check("ce_grad", cases.nchw(gradient), 1e-5)
  onehot = np.asarray(segmentation_losses.one_hot(labels, classes, ignore))
  case.check("onehot_sum_per_class", onehot.sum((0, 1, 2)), 0)
  case.check("onehot_sum_per_pixel", onehot.sum(-1), 0)

  real = case.input("fm_real").reshape(*case.input("fm_real").shape[:2])
  fake = case.input("fm_fake")
  matching, gradient = jax.value_and_grad(
      lambda x: semisup_losses.feature_matching(real, x))(
          jnp.asarray(fake.reshape(fake.shape[:2])))
  case.check("fm", matching, 1e-5)
  case.check("fm_grad_fake", gradient.reshape(fake.shape), 1e-5)

  score = case.input("scores")
  case.check("bce_fake", semisup_losses.score_loss(logit(score), False), 1e-5)
  case.check("bce_real", semisup_losses.score_loss(logit(score), True), 1e-5)
  case.check("bce_saturated", semisup_losses.score_loss(
      logit([0.0, 1.0]), True), 1e-5)
  chosen = semisup_losses.trusted(
      score[:, 0], case.input("threshold_equal_to_score2"))
  case.check("selected", np.flatnonzero(chosen), 0)
  case.check("image_scaled", cases.nchw(semisup_losses.scale_to_range(
      cases.nhwc(case.input("image")))), 1e-5)
  student, teacher = case.input("cos_student"), case.input("cos_teacher")
  case.check("cosine_loss", semisup_losses.cosine_consistency(
      student, teacher), 1e-5)
  case.check("mse_of_sigmoids", semisup_losses.squared_consistency(
      student, teacher), 1e-5)
  small = cases.nhwc(case.input("resize_in"))
  for key in case.manifest["arrays"]:
    if match := re.fullmatch(r"resize_(\d+)x(\d+)", key):
      case.check(key, cases.nchw(resample.resize_aligned(
          small, tuple(map(int, match.groups())))), 1e-5)


class Segmenter(nn.Module):
  """Two 3x3 convolutions, a ReLU between; the first has the stride."""

  widths: tuple[int, int]
  stride: int

  @nn.compact
  def __call__(self, x, *, train):
    x = jax.nn.relu(nn.Conv(
        self.widths[0], (3, 3), self.stride, padding=1, name="conv1")(x))
    return nn.Conv(self.widths[1], (3, 3), padding=1, name="conv2")(x)


class Linear(nn.Module):
  """Two linear layers, a ReLU between."""

  widths: tuple[int, int]

  @nn.compact
  def __call__(self, x, *, train):
    x = jax.nn.relu(nn.Dense(self.widths[0], name="fc1")(x))
    return nn.Dense(self.widths[1], name="fc2")(x)


def params_of(state_dict):
  """Flax parameters of layers that are named as in the state dict."""
  flat = {}
  for name, x in state_dict.items():
    *path, kind = name.split(".")
    if kind == "weight":
      kind, x = "kernel", x.transpose((2, 3, 1, 0) if x.ndim == 4 else (1, 0))
    flat[(*path, kind)] = jnp.asarray(x)
  return flax.traverse_util.unflatten_dict(flat)


def entry(params, name):
  """The entry `name` in its original layout."""
  *path, kind = name.split(".")
  x = np.asarray(flax.traverse_util.flatten_dict(params)[
      (*path, "kernel" if kind == "weight" else kind)])
  if kind == "weight":
    x = x.transpose((3, 2, 0, 1) if x.ndim == 4 else (1, 0))
  return x


def iterations(case):
  setup = case.manifest["setup"]
  classes, (height, width) = setup["nc"], setup["hw"]
  nets = {n: case.state_dict(f"{n}/") for n in "SD"}
  inputs = {re.match(r"\w+", k)[0]: v
            for k, v in case.manifest["inputs"].items()}

  def image(name, i):
    n = setup["nu"] if name == "x_u" else setup["nl"]
    text = inputs[name]
    tag = re.search(r"'([^']+)<i>'", text)[1]
    numbers = re.search(r"\(\d+,\d+,\d+,\d+\), *([-\d., ]+)\)", text)[1]
    values = cases.normal_input(
        f"{tag}{i}", (n, 3, height, width), *map(float, numbers.split(",")))
    values = np.round(values)
    if factor := re.search(r"\* *\[1\.\.\d+\] *\* *([\d.]+)", text):
      steps = np.arange(1, n + 1, dtype=np.float32) * np.float32(factor[1])
      values = np.round(values * steps[:, None, None, None])
    return cases.nhwc(values)

  def labels(name, i):
    text = inputs[name].replace("<i>", str(i))
    return cases.evaluate(text).astype(np.int32)

  config = base.get_config()
  config.match_official = True
  config.data.update(num_classes=classes, ignore_index=setup["ign"],
                     num_labeled=1, size=height)
  config.data.geometry.shape = (height, width)
  config.s4gan.update(
      steps=setup["steps"], learning_rate=setup["lr"],
      discriminator_learning_rate=setup["lrd"],
      threshold=case.manifest["threshold_st"])
  widths = tuple(nets["S"][f"conv{i}.bias"].size for i in (1, 2))
  modules = s4gan.Modules(
      Segmenter(widths, setup["st"]),
      segmentation_discriminators.ImageDiscriminator(
          width=nets["D"]["conv1.bias"].size, dropout=0.0),
      groups=lambda params: {
          "conv1": jax.tree.map(lambda _: "backbone", params["conv1"]),
          "conv2": jax.tree.map(lambda _: "head", params["conv2"])})
  stage = s4gan.make(config, None, modules=modules)
  state = jax.jit(stage.init)(jax.random.key(0), {}).replace(
      network={"params": params_of(nets["S"])},
      discriminator=params_of(nets["D"]))
  step = jax.jit(lambda *a: stage.train_step(*a, phase="step"))
  grads = jax.jit(lambda *a: s4gan.gradients(config, modules, *a))
  rngs = stage.rngs(jax.random.key(0), "step")

  for i, record in enumerate(case.manifest["iterations"]):
    batch = {"labeled": {"image": image("x_l", i), "label": labels("y_l", i)},
             "unlabeled": {"image": image("x_u", i)},
             "real": {"image": image("x_g", i), "label": labels("y_g", i)}}
    for rate, name in (("lr", "lr"), ("lr_D", "lrd")):
      np.testing.assert_allclose(
          segmenter.poly(setup[name], setup["steps"])(i), record[rate],
          rtol=1e-6)
    computed, outputs = jax.device_get(grads(state, batch, rngs))
    state, metrics = step(state, {}, batch, rngs)
    of = lambda n, k, computed=computed: entry(computed[
        {"S": "network", "D": "discriminator"}[n]], k)
    for key in case.manifest["arrays"]:
      if key.startswith(f"it{i}/grad/"):
        case.check(key, of(*key.split("/")[2:]), 1e-3)
    for name, (score, features) in (("unlabelled", outputs.unlabeled),
                                    ("real", outputs.real)):
      case.check(f"it{i}/score_{name}",
                 np.asarray(jax.nn.sigmoid(score))[:, None], 1e-4)
      case.check(f"it{i}/fm_features_{name}", features, 1e-4)
    scores_now = np.asarray(jax.nn.sigmoid(outputs.unlabeled[0]))
    passing = np.flatnonzero(scores_now > config.s4gan.threshold)
    assert passing.tolist() == record["selected"], (i, passing)
    assert len(passing) == record["count"]
    # Self-training begins in the second iteration.
    assert np.flatnonzero(outputs.selected).tolist() == (
        record["selected"] if i else [])
    np.testing.assert_allclose(
        outputs.real_range, record["range_of_normalised_gt_image"], rtol=1e-5)
    for name, metric in (
        ("loss_ce", "s/cross_entropy"), ("loss_fm", "s/feature_matching"),
        ("loss_st", "s/self_training"), ("loss_S", "s/loss"),
        ("loss_D_fake", "d/fake_loss"), ("loss_D_real", "d/real_loss"),
        ("loss_D", "d/loss")):
      np.testing.assert_allclose(
          metrics[metric], record[name], rtol=1e-4, atol=1e-6,
          err_msg=f"{case.name}: iteration {i}, {name}")
    trees = {"S": state.network["params"], "D": state.discriminator}
    for name, (total, absolute, square) in record["sums"].items():
      x = entry(trees[name[0]], name[2:]).astype(np.float64)
      assert abs(x.sum() - total) <= 1e-4 * absolute, (i, name)
      assert abs(np.abs(x).sum() - absolute) <= 1e-4 * absolute, (i, name)
      assert abs((x * x).sum() - square) <= 2e-4 * square, (i, name)
  for key in case.manifest["arrays"]:
    if key.startswith("final/"):
      _, net, name = key.split("/")
      case.check(key, entry(trees[net], name), 1e-4)


def repeated(case):
  notes = case.manifest["notes"]
  number = lambda name: float(
      re.search(rf"{name} (\d(?:[\d.e-]*\d)?)", notes)[1])
  options = {"momentum": number("momentum"),
             "weight_decay": number("weight decay")}
  rate = number("lr")
  steps = sorted((k for k in case.manifest["arrays"]
                  if re.fullmatch(r"g\d+", k)), key=lambda k: int(k[1:]))
  start, grads = case.input("p0"), [case.input(k) for k in steps]
  for key in case.manifest["arrays"]:
    if not (match := re.fullmatch(r"(\w+)/x(\d+)/after(\d+)", key)):
      continue
    rule, count, after = match[1], int(match[2]), int(match[3])
    assert rule in ("torch04", "torch213")
    tx = optimizers.sgd(
        rate, repeats={"p": count}, fresh_gradient=rule == "torch213",
        **options)
    params = {"p": jnp.asarray(start)}
    state = tx.init(params)
    for gradient in grads[:after]:
      deltas, state = tx.update({"p": jnp.asarray(gradient)}, state, params)
      params = jax.tree.map(jnp.add, params, deltas)
    case.check(key, params["p"], 1e-5)


def mean_teacher(case):
  setup = case.manifest["setup"]
  nets = {n: params_of(case.state_dict(f"{n}/"))
          for n in ("student", "teacher")}
  inputs = {k.split(" ")[0]: v for k, v in case.manifest["inputs"].items()}
  words = case.manifest["setup_words"]
  tag = lambda name: re.search(r"'([^']+)<i>'", inputs[name])[1]
  scale = float(re.search(r"scale=([\d.]+)", inputs["a"])[1])
  share = float(re.search(r"< *([\d.]+)", inputs["y"])[1])
  shape_u = (setup["bu"], setup["i"])

  config = base.get_config()
  config.data.update(num_labeled=1, num_classes=setup["o"])
  config.mlmt.update(
      # One endless epoch, and the ramp as it stands in the recorded one.
      steps=10 ** 9, epochs=1, burn_in=config.mlmt.burn_in - setup["epoch"],
      learning_rate=setup["lr"], final_learning_rate=setup["lr"],
      momentum=float(re.search(r"momentum ([\d.]+)", words)[1]),
      weight_decay=float(re.search(r"weight decay ([\d.e-]+)", words)[1]),
      ema_decay=setup["decay"], consistency="cosine")
  stage = mlmt.make(config, None, module=Linear((setup["h"], setup["o"])))
  params = {n: {"params": p} for n, p in nets.items()}
  zeros = jax.tree.map(jnp.zeros_like, nets["student"])
  state = teachers.State(
      step=jnp.int32(setup["gs0"]), **params,
      optimizer=optimizers.SgdState(jnp.zeros((), jnp.int32), zeros))
  step = jax.jit(lambda *a: stage.train_step(*a, phase="step"))
  for i, record in enumerate(case.manifest["iterations"]):
    u = cases.normal_input(f"{tag('u')}{i}", shape_u)
    batch = {
        "labeled": {
            "image": cases.normal_input(
                f"{tag('x')}{i}", (setup["bl"], setup["i"])),
            "classes": (cases.rng_for(f"{tag('y')}{i}").random(
                (setup["bl"], setup["o"])) < share).astype(np.float32)},
        "unlabeled": {
            "image": u, "strong": u + cases.normal_input(
                f"{tag('a')}{i}", shape_u, scale=scale)}}
    state, metrics = step(state, {}, batch, ())
    for name, metric in (("class_loss", "class"), ("loss", "loss"),
                         ("cons_loss", "consistency"),
                         ("w_cons", "consistency_weight")):
      np.testing.assert_allclose(
          metrics[f"mlmt/{metric}"], record[name], rtol=1e-5, err_msg=name)
    assert state.step == record["global_step"]
    np.testing.assert_allclose(
        schedules.ema_decay(record["global_step"], setup["decay"]),
        record["ema_alpha"], rtol=1e-12)
  trees = {"student": state.student, "teacher": state.teacher}
  for key in case.manifest["arrays"]:
    _, net, name = key.split("/")
    case.check(key, entry(trees[net]["params"], name), 1e-5)


def evaluation(case):
  classes = case.manifest["classes"]
  ignore = int(re.search(r"ignore (-?\d+)", case.manifest["notes"])[1])
  label = case.input("gt").astype(np.int64)
  prediction = case.input("pred").astype(np.int64)
  confusion = scores.confusion_matrix(
      label, prediction, classes, ignore).sum(0)
  case.check("confusion", confusion, 0)
  case.check("iou_per_class", scores.iou(confusion), 1e-6)
  case.check("miou", scores.mean_iou(confusion, absent="zero"), 1e-6)
  case.check("mean_over_defined_classes", scores.mean_iou(confusion), 1e-6)
  # The pitfall: an ignore label of -1 is the last class by wrap-around.
  wrapped = np.where(label == ignore, classes - 1, label)
  case.check("confusion_when_ignore_is_minus_one", scores.confusion_matrix(
      wrapped, prediction, classes).sum(0), 0)
  ignored = scores.confusion_matrix(
      np.where(label == ignore, -1, label), prediction, classes, -1).sum(0)
  np.testing.assert_array_equal(ignored, confusion)

  # The official code's file, and its columns in the order used here.
  unrolled = class_scores.unroll(case.input("rolled"))
  np.testing.assert_array_equal(
      unrolled, np.roll(case.input("raw_scores"), 1, axis=1))

  tau = float(re.search(r"score >= ([\d.]+)", case.manifest["notes"])[1])
  logits = cases.nhwc(case.input("fusion_logits")[None])
  score = case.input("fusion_scores")[None]
  config = base.get_config()
  config.match_official = True
  plain = image_ops.to_label(logits)[0]
  multiplied = image_ops.to_label(fusion.fused(config, logits, score, tau))[0]
  masked = image_ops.to_label(class_scores.fuse(
      logits, class_scores.present(score, tau, official=True)))[0]
  case.check("plain_labels", plain, 0)
  case.check("fusion_labels", multiplied, 0)
  case.check("labels_with_minus_infinity", masked, 0)
  assert (multiplied != masked).sum() == case.manifest[
      "pixels_that_differ_between_zeroing_and_masking"]


def schedule_tables(case):
  mlmt_config = base.get_config().mlmt
  for key in case.tables:
    table = case.table(key)
    if key == "mlmt_cosine_lr_per_epoch":
      mlmt_config.update(epochs=len(table), steps=7 * len(table))
      rate = mlmt.learning_rate(mlmt_config)
      with jax.enable_x64(True):
        np.testing.assert_allclose(
            [rate(7 * e) for e in range(len(table))], table, rtol=1e-9)
    elif key == "mlmt_consistency_weight_per_epoch":
      mlmt_config.update(epochs=len(table), steps=7 * len(table))
      weight = mlmt.consistency_weight(mlmt_config)
      np.testing.assert_allclose(
          [weight(7 * e + 6) for e in range(len(table))], table, atol=1e-12)
    elif key == "poly":
      for name, values in table.items():
        if name == "iterations":
          continue
        start, total = re.fullmatch(r"base([\d.e-]+)_of(\d+)", name).groups()
        rate = segmenter.poly(float(start), int(total))
        with jax.enable_x64(True):
          np.testing.assert_allclose(
              [rate(i) for i in table["iterations"]], values, rtol=1e-9)
    elif key == "ema_alpha_by_step":
      for step, alpha in table.items():
        np.testing.assert_allclose(schedules.ema_decay(
            int(step), mlmt_config.ema_decay), alpha, rtol=1e-12)
    elif key == "split_sizes":
      for name, counts in table.items():
        pool = int(re.search(r"\((\d+)\)", name)[1])
        for ratio, count in counts.items():
          config = base.choose(
              base.get_config(),
              common.parse_arg(f"ratio={ratio}", **base.arguments()), pool)
          assert config.data.num_labeled == count, (name, ratio)
    else:
      raise AssertionError(f"unknown table {key!r}")


CHECKS = {
    "s4gan_losses": losses, "s4gan_three_iterations": iterations,
    "sgd_repeated_parameters": repeated, "mlmt_three_steps": mean_teacher,
    "evaluation": evaluation, "schedules": schedule_tables}
