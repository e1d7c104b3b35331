"""Golden checks of segmentation losses, scores, schedules and images."""

import re

import cases
import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax.ops import image_ops
from semseg_jax.ops import noise as noise_ops
from semseg_jax.ops import schedules
from semseg_jax.ops import scores
from semseg_jax.ops import segmentation_losses as losses

# The faces' colors, in the order of the classes (spec of the cases).
_COLORS = (
    (0, 0, 0), (0, 0, 205), (132, 112, 255), (25, 25, 112), (187, 255, 255),
    (102, 205, 170), (227, 207, 87), (142, 142, 56))
_FLOAT = r"(\d*\.?\d+(?:e-?\d+)?)"
_TOL = 1e-5
_TABLE_TOL = 1e-12


def losses_seg(case):
  """Compares every output of a `losses_seg*` case."""
  keys = list(case.manifest["outputs"])
  for key in keys:
    if key.startswith("g_"):
      continue
    if key.startswith(("metrics_", "make_")):
      _exact(case, key, _counted(case, key))
    elif key.startswith(("lr_", "cos_")):
      case.check(key, _schedule(case, key), _TABLE_TOL)
    elif key.startswith("noise_"):
      _check_noise(case, key)
    else:
      _check_loss(case, key)


def _exact(case, key, got):
  got = np.asarray(got)
  np.testing.assert_allclose(
      got.astype(np.float64), case.expected(key), rtol=1e-12, atol=0,
      err_msg=key)
  case.check(key, got, _TABLE_TOL)


def _loss(case, key):
  """(function of NHWC logits, the logits) of one output."""
  binary = "bce" in key or key.endswith("_1ch")
  logits = cases.nhwc(case.inputs["logits1" if binary else "logits"])
  label = case.inputs["labels1" if binary else "labels"]
  label = jnp.asarray(label.reshape(logits.shape[:-1]).astype(np.int32))
  target = losses.one_hot(label, logits.shape[-1])
  options = {}
  tau = re.search(f"_tau{_FLOAT}$", key)
  if tau:
    options["temperature"] = float(tau[1])
  if key.startswith("softmax"):
    return lambda x: losses.cross_entropy(x, label, **options), logits
  if key.startswith("softbce"):
    return lambda x: losses.binary_cross_entropy(x, label, **options), logits
  if key.startswith("dice_"):
    weighted = "weighted" in key
    options["include_background"] = weighted or "nobg" not in key
    if weighted:
      options["weight"] = jnp.asarray(case.inputs["dice_weight"])
    return lambda x: losses.dice_loss(x, target, **options), logits
  if key.startswith("logcosh"):
    return lambda x: losses.log_cosh(x, target), logits
  raise AssertionError(f"{case.name}: no check for output {key!r}")


def _check_loss(case, key):
  function, logits = _loss(case, key)
  value, gradient = jax.jit(jax.value_and_grad(function))(logits)
  case.check(key, value, _TOL)
  if f"g_{key}" in case.manifest["outputs"]:
    case.check(f"g_{key}", np.moveaxis(gradient, -1, 1), _TOL)


def _check_noise(case, key):
  names = sorted(
      (k for k in case.inputs if re.fullmatch(r"noise_\d+", k)),
      key=lambda k: int(k[6:]))
  maps = tuple(cases.nhwc(case.inputs[k]) for k in names)
  norm = re.fullmatch(r"noise_norm_(\d+)", key)
  if norm:
    position = names.index(f"noise_{norm[1]}")
    got = jax.jit(noise_ops.normalise_noise)(maps)[position]
    case.check(key, np.moveaxis(got, -1, 1), _TOL)
    return
  total = lambda maps: jnp.sum(noise_ops.noise_regulariser(maps))
  value, gradients = jax.jit(jax.value_and_grad(total))(maps)
  case.check(key, value, _TOL)
  for name, gradient in zip(names, gradients, strict=True):
    gradient_key = f"g_noise_reg_{name[6:]}"
    if gradient_key in case.manifest["outputs"]:
      case.check(gradient_key, np.moveaxis(gradient, -1, 1), _TOL)


def _note(case, pattern, default=None):
  match = re.search(pattern, " ".join(case.manifest.get("notes", [])))
  if not match and default is None:
    raise AssertionError(f"{case.name}: no note matches {pattern!r}")
  return [float(x) for x in match.groups()] if match else default


def _counted(case, key):
  """Integer outputs: confusion counts, scores and quantised images."""
  if key.startswith("make_image"):
    return image_ops.to_uint8(cases.nhwc(case.inputs["image"]))
  mask = re.fullmatch(r"make_mask(\d+)", key)
  if mask:
    name = f"mask_logits{mask[1]}"
    name = name if name in case.inputs else f"logits{mask[1]}"
    name = name if name in case.inputs else "logits"
    logits = cases.nhwc(case.inputs[name])
    binary = logits.shape[-1] == 1
    colors = ((0,), (255,)) if binary else _COLORS[:logits.shape[-1]]
    return image_ops.colorize(image_ops.to_label(logits), colors)
  _, variant, what = key.split("_")
  binary = variant == "binary"
  logits = np.moveaxis(case.inputs["logits1" if binary else "logits"], 1, -1)
  label = case.inputs["labels1" if binary else "labels"]
  label = label.reshape(logits.shape[:-1]).astype(np.int64)
  ignore = None
  if variant == "ignore":
    rows, columns, ignore = (int(x) for x in _note(
        case, r"labels\[:, :(\d+), :(\d+)\] replaced by (-?\d+)"))
    label[:, :rows, :columns] = ignore
  classes = max(2, logits.shape[-1])
  confusion = scores.confusion_matrix(
      label, image_ops.to_label(logits), classes, ignore).sum(0)
  inter = np.diagonal(confusion)
  return {
      "correct": lambda: inter.sum(),
      "labeled": lambda: confusion.sum(),
      "inter": lambda: inter,
      "union": lambda: confusion.sum(0) + confusion.sum(1) - inter,
      "miou": lambda: scores.mean_iou(confusion, absent="zero"),
      "pixacc": lambda: scores.pixel_accuracy(confusion),
  }[what]()


def _schedule(case, key):
  """A table of learning rates, or the axis that it is given on."""
  size = case.manifest["outputs"][key]["shape"][0]
  t = np.linspace(0.0, 1.0, size)
  if key == "lr_t":
    return t
  if key == "lr_get_lr_custom":
    rate, down, up = _note(
        case, rf"lr_get_lr_custom: lr {_FLOAT}, ramp-down {_FLOAT}, "
        rf"ramp-up {_FLOAT}", [0.05, 0.5, 0.2])
    return schedules.ramp(t, 1.0, rate, down, up)
  rate = re.fullmatch(f"lr_get_lr_{_FLOAT}", key)
  if rate:
    return schedules.ramp(t, 1.0, float(rate[1]))
  if key == "cos_iter":
    # The axis of the next table: an input of the schedule.
    return case.expected(key)
  if key == "cos_lr":
    return _cosine(case)
  raise AssertionError(f"{case.name}: no check for output {key!r}")


def _cosine(case):
  number = lambda name: _note(case, rf"\b{name}[= ]{_FLOAT}")[0]
  start, end = number("start"), number("end")
  schedule = schedules.cosine_window(
      number("lr"), number("lr_decay"), start, end)
  steps = case.expected("cos_iter")
  # The reference keeps the value of the last *listed* iteration of the window.
  inside = steps[(steps >= start) & (steps < end)]
  last = inside.max() if inside.size else start
  return schedule(np.where(steps >= end, last, steps))


CHECKS = {"losses_seg": losses_seg}
