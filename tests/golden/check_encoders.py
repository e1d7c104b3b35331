"""Golden checks of the encoders and the perceptual distance."""

import re

import cases
import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax import interop


def fpn_encoder(case):
  kind = case.manifest["networks"][0]["kind"]
  weights = case.state_dict("e")
  module, variables = interop.from_torch(kind, weights)
  orders = {
      "mean": case.manifest.get("concat_order_running_mean"),
      "var": case.manifest.get("concat_order_running_var")}
  paths = {
      leaf: _stat_paths(kind, weights, names)
      for leaf, names in orders.items() if names}
  del weights
  (name, image), = case.inputs.items()
  # The manifest's words say how often each stored pixel is repeated.
  block = re.search(
      r"repeated (\d+)x\1", case.manifest["inputs"][name]["doc"])
  if block:
    image = image.repeat(int(block[1]), 2).repeat(int(block[1]), 3)
  image = cases.nhwc(image)

  @jax.jit
  def evaluate(variables, image):
    features = module.apply(variables, image, method="features")
    return features, module.apply(variables, features, method="latents")

  @jax.jit
  def train(variables, image):
    return module.apply(variables, image, train=True, mutable=["batch_stats"])

  variables = jax.device_put(variables)
  features, latents = evaluate(variables, image)
  outputs = {f"eval/p{4 - i}": cases.nchw(f) for i, f in enumerate(features)}
  outputs["eval/styles"] = latents
  latents, changed = train(variables, image)
  outputs["train/styles"] = latents
  stats = changed["batch_stats"]
  for leaf, leaf_paths in paths.items():
    outputs[f"after_train/running_{leaf}"] = np.concatenate(
        [np.asarray(_at(stats, path)) for path in leaf_paths])
  outputs["after_train/num_batches_tracked"] = (
      stats["fpn"]["stem_bn"]["count"])
  for key in case.manifest["outputs"]:
    case.check(key, outputs[key], 5e-4)


def residual_encoder(case):
  kind = case.manifest["networks"][0]["kind"]
  module, variables = interop.from_torch(kind, case.state_dict("e"))
  run = jax.jit(module.apply)
  image = cases.nhwc(case.inputs["x"])
  case.check("styles", run(variables, image), 1e-4)
  if "styles_first_alone" in case.manifest["outputs"]:
    case.check("styles_first_alone", run(variables, image[:1]), 1e-4)


def lpips(case):
  kind = case.manifest["networks"][0]["kind"]
  merged = {}
  for group in case.manifest["state"]:
    merged.update(case.state_dict(group))
  module, variables = interop.from_torch(kind, merged)
  pred, target = (cases.nhwc(case.inputs[k]) for k in ("pred", "target"))

  @jax.jit
  def evaluate(variables, pred, target):
    def total(pred):
      distance = module.apply(variables, pred, target)
      return distance.sum(), distance

    gradient, distance = jax.grad(total, has_aux=True)(pred)
    taps = module.apply(variables, pred, method="taps")
    first, second = (
        module.apply(variables, x, method="features") for x in (pred, target))
    return {
        "distance": distance[:, None, None, None],
        "g_pred": gradient,
        "distance_self": module.apply(
            variables, first, first, method="distance")[:, None, None, None],
        "tap_mean": jnp.stack([t.mean() for t in taps]),
        "tap_absmax": jnp.stack([jnp.abs(t).max() for t in taps]),
        "per_layer_1to4": module.apply(
            variables, first, second, method="layer_distances")[:, 1:],
    }

  outputs = evaluate(variables, pred, target)
  outputs["g_pred"] = cases.nchw(outputs["g_pred"])
  for key in case.manifest["outputs"]:
    if key == "g_pred":  # ReLU and pooling ties: relative L2.
      case.check(key, outputs[key], 1e-3, by="rel_l2")
    else:
      case.check(key, outputs[key], 1e-4)


def _stat_paths(kind, weights, names):
  """Where the importer puts each running statistic, in the order of `names`.

  Found by importing statistics that are all equal to their own number.
  """
  numbered = {n: np.full_like(weights[n], i) for i, n in enumerate(names)}
  _, variables = interop.from_torch(kind, {**weights, **numbered})
  leaf = "mean" if names[0].endswith("running_mean") else "var"
  by_index = {
      int(value[0]): path for path, value in
      jax.tree_util.tree_leaves_with_path(variables["batch_stats"])
      if path[-1].key == leaf}
  return [by_index[i] for i in range(len(names))]


def _at(tree, path):
  for key in path:
    tree = tree[key.key]
  return tree


CHECKS = {"fpnenc": fpn_encoder, "resenc": residual_encoder, "lpips": lpips}
