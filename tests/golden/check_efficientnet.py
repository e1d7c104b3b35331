"""Golden checks of EfficientNet-Lite (record_efficientnet.py recorded them)."""

import cases
import jax
import numpy as np
import pytest

from semseg_jax import interop
from semseg_jax.interop import pretrained

_TOL = 1e-4  # Of the largest value; deep networks.
_TRAIN_TOL = 1e-3  # Batch statistics of small maps.


def random_weights(case):
  kind = case.manifest["networks"][0]["kind"]
  module, variables = interop.from_torch(kind, case.state_dict())
  variables = jax.device_put(variables)
  params = variables["params"]
  image, weight = cases.nhwc(case.draw("x")), case.draw("g")

  @jax.jit
  def evaluate(params, image):
    def total(params, image):
      logits, maps = module.apply({**variables, "params": params}, image)
      return (logits * weight).sum(), (logits, maps)

    return jax.grad(total, (0, 1), has_aux=True)(params, image)

  (by_weights, by_image), (logits, maps) = evaluate(params, image)
  _check_maps(case, logits, maps)
  case.check("input_gradient", cases.nchw(by_image), _TOL)
  for key, kernel in (
      ("stem_gradient", by_weights["backbone"]["stem"]["kernel"]),
      ("depthwise_gradient",
       by_weights["backbone"]["block_3"]["depthwise"]["kernel"])):
    case.check(key, np.transpose(kernel, (3, 2, 0, 1)), _TOL)
  (_, maps), changed = jax.jit(lambda v, x: module.apply(
      v, x, train=True, mutable=["batch_stats"]))(variables, image)
  case.check("train_level3", cases.nchw(maps["level3"]), _TRAIN_TOL)
  stats = changed["batch_stats"]["backbone"]["block_3"]["depthwise_bn"]
  for leaf in ("mean", "var"):
    case.check(f"train_running_{leaf}", stats[leaf], _TOL)


def from_package(case):
  kind = case.manifest["networks"][0]["kind"]
  try:
    variables = pretrained.variables(kind, {})
  except FileNotFoundError as e:
    pytest.skip(str(e))
  logits, maps = jax.jit(pretrained.module(kind).apply)(
      variables, cases.nhwc(case.draw("x")))
  _check_maps(case, logits, maps)


def _check_maps(case, logits, maps):
  case.check("logits", logits, _TOL)
  for level in range(1, 6):
    case.check(f"level{level}", cases.nchw(maps[f"level{level}"]), _TOL)


CHECKS = {
    "efficientnet_lite0": random_weights,
    "efficientnet_lite0_pretrained": from_package,
    "efficientnet_lite2_pretrained": from_package,
}
