"""Golden checks of DeepLab, its classifier and s4GAN's discriminator."""

import re

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax import interop
from semseg_jax.interop import by_name
from semseg_jax.interop import segmentation
from semseg_jax.ops import image_ops
from semseg_jax.ops import resample
from semseg_jax.ops import segmentation_losses as losses

_TOL = 1e-4  # Of the largest value; deep networks.
_TRAIN_TOL = 1e-3  # Batch statistics of small maps.


def _load(case, **options):
  """The case's network and variables, and those as a function of a batch."""
  kind = case.manifest["networks"][0]["kind"]
  module, variables = interop.from_torch(kind, case.state_dict(), **options)
  return module, jax.device_put(variables)


def _image(case, key):
  x = case.input(key).astype(np.float32)
  if "divide by 255" in case.manifest.get("notes", ""):
    x = x / np.float32(255)
  return jnp.asarray(x.transpose(0, 2, 3, 1))


def _check(case, key, got, tol=_TOL):
  """Compares a map in our layout."""
  case.check(key, np.moveaxis(np.asarray(got), -1, 1), tol)


def _check_statistics(case, maps, pattern):
  """Mean and standard deviation per channel; `pattern` formats their names."""
  for name, value in maps.items():
    for what in ("mean", "std"):
      key = pattern.format(name=name, what=what)
      if key in case.arrays:
        got = getattr(np.asarray(value, np.float64), what)((0, 1, 2))
        case.check(key, got, _TOL)


def _check_full_size(case, logits, size, mark=""):
  """Logits resized to the image: samples, statistics, classes."""
  full = np.asarray(resample.resize_aligned(logits, size))
  _check_statistics(
      case, {"upsampled": full}, "{name}_{what}" + mark)
  for key in case.arrays:
    if match := re.fullmatch(f"upsampled{mark}_stride(\\d+)", key):
      step = int(match[1])
      _check(case, key, full[:, ::step, ::step])
  case.check(f"argmax{mark}", image_ops.to_label(full), 0)


# Networks run operation by operation: compiling one of 100 layers whole takes
# longer than running it.


def deeplabv2(case):
  module, variables = _load(case)
  for key in case.arrays:
    if key[0] == "x" and key != "x_train":
      x, mark = _image(case, key), key[1:]
      logits, maps = module.apply(variables, x)
      _check(case, f"logits{mark}", logits)
      _check_statistics(case, maps, "{name}_{what}" + mark)
      _check_full_size(case, logits, x.shape[1:3], mark)
  if "x_train" in case.arrays:
    (logits, _), changed = module.apply(
        variables, _image(case, "x_train"), train=True,
        mutable=["batch_stats"])
    _check(case, "logits_train", logits, _TRAIN_TOL)
    stats = flax.traverse_util.flatten_dict(changed["batch_stats"])
    named = {by_name.entry_name(path, segmentation.deeplabv2_name): value
             for path, value in stats.items()}
    for key in case.arrays:
      if key.startswith("after_train/"):
        name = key.removeprefix("after_train/").removeprefix("module.")
        case.check(key, named[name], _TRAIN_TOL)


def deeplabv3plus(case):
  module, variables = _load(case)
  x = _image(case, "x")
  logits, maps = module.apply(variables, x)
  named = {f"backbone.{name}": m for name, m in maps.items()
           if name.startswith("mod")}
  named |= {"aspp": maps["aspp"], "bot_aspp": maps["deep"],
            "bot_fine": maps["fine"]}
  _check(case, "logits", logits)
  _check_statistics(case, named, "{name}/{what}")
  _check_full_size(case, logits, x.shape[1:3])
  if "x_train" in case.arrays:
    without = module.clone(dropout=(0.0, 0.0))
    (logits, _), _ = without.apply(
        variables, _image(case, "x_train"), train=True,
        mutable=["batch_stats"])
    _check(case, "logits_train_nodropout", logits, _TRAIN_TOL)


def classifier(case):
  module, variables = _load(case)
  logits, maps = module.apply(variables, _image(case, "x"))
  case.check("logits", logits, _TOL)
  _check_statistics(case, maps, "{name}/{what}")


def discriminator(case):
  module, variables = _load(case)
  words = case.manifest["inputs"]["image"]
  times, height, width = map(int, re.search(
      r"repeated (\d+)x .* cropped to (\d+)x(\d+), divided by 255",
      words).groups())
  image = case.input("image_low").repeat(times, 2).repeat(times, 3)
  image = image[:, :, :height, :width].transpose(0, 2, 3, 1) / np.float32(255)
  low = np.moveaxis(case.draw("logits_low"), 1, -1)
  full = resample.resize_aligned(jnp.asarray(low), (height, width))
  classes = low.shape[-1]
  inputs = {
      "real": losses.one_hot(jnp.asarray(case.draw("labels")), classes),
      "fake": jax.nn.softmax(full)}
  for name, label in inputs.items():
    logits, features = module.apply(
        variables, jnp.concatenate([label, image], axis=-1))
    case.check(f"{name}_score", jax.nn.sigmoid(logits)[:, None], _TOL)
    if f"{name}_features" in case.arrays:
      case.check(f"{name}_features", features[:, :, None, None], _TOL)


CHECKS = {
    "deeplabv2": deeplabv2, "deeplabv3plus": deeplabv3plus,
    "resnet": classifier, "s4gan_discriminator": discriminator}
