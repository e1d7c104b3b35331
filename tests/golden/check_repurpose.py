"""Golden checks of RepurposeGAN: networks, feature stacking, training."""

import re

import cases
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from semseg_jax import interop
from semseg_jax.interop import repurpose_gan as importer
from semseg_jax.methods.common import feature_segmenter
from semseg_jax.methods.common import samples
from semseg_jax.ops import hypercolumn
from semseg_jax.ops import segmentation_losses

_NET, _TRAIN, _EXACT = 1e-4, 1e-3, 1e-5


def network(case):
  """(kind, module, variables) of the case's only network, sizes checked."""
  (entry,) = case.manifest["networks"]
  module, variables = interop.from_torch(
      entry["kind"], case.state_dict(), **entry["kwargs"])
  if "parameter_count" in case.manifest:
    assert case.manifest["parameter_count"] == sum(
        x.size for x in jax.tree.leaves(variables["params"]))
  return entry["kind"].split("/")[1], module, variables


def few_shot(case):
  _, module, variables = network(case)
  logits = jax.jit(module.apply)(variables, (cases.nhwc(case.draw("x")),))
  case.check("logits", cases.nchw(logits), _NET)


def unet(case):
  _, module, variables = network(case)
  x = cases.nhwc(case.draw("x"))
  apply = jax.jit(lambda v, train: module.apply(
      v, x, train=train, mutable=["intermediates", "batch_stats"],
      capture_intermediates=lambda m, _: m.name == "up0"),
      static_argnames="train")
  logits, captured = apply(variables, train=False)
  features = cases.nchw(captured["intermediates"]["up0"]["__call__"][0])
  train_logits, _ = apply(variables, train=True)
  got = {"features": features, "logits": cases.nchw(logits),
         "logits_train": cases.nchw(train_logits)}
  axes = (0, 2, 3)
  for key in case.manifest["arrays"]:
    name, _, stride = key.partition("_stride")
    if name in got:
      step = int(stride or 1)
      case.check(key, got[name][:, :, ::step, ::step],
                 _TRAIN if name.endswith("train") else _NET)
    elif key.endswith("_mean"):
      case.check(key, got[key.removesuffix("_mean")].mean(axes), _NET)
    elif key.endswith("_std"):
      case.check(key, got[key.removesuffix("_std")].std(axes), _NET)


def drawn_maps(text):
  """(maps NHWC, side of the stack) of a manifest's line about features."""
  tag, batch = re.search(
      r"normal_input\('([^']*)',\s*\((\d+)", text).groups()
  lists = {name: [int(x) for x in values.split(",")]
           for name, values in re.findall(r"\b([cr])=\[([^\]]*)\]", text)}
  maps = [
      cases.nhwc(cases.normal_input(
          tag.replace("<i>", str(i)), (int(batch), c, r, r)))
      for i, (c, r) in enumerate(zip(lists["c"], lists["r"], strict=True))]
  side = re.search(r"(?:stack size|nearest to) (\d+)", text)
  return maps, int(side[1]) if side else max(lists["r"])


def misc(case):
  maps, side = drawn_maps(case.manifest["inputs"]["features"])
  stacked = cases.nchw(hypercolumn.stack(maps, (side, side), "aligned"))
  # The same by the fused form, with the identity as kernel.
  channels = stacked.shape[1]
  fused = cases.nchw(hypercolumn.convolve(
      maps, jnp.eye(channels)[None, None], (side, side), "aligned"))
  np.testing.assert_allclose(fused, stacked, atol=1e-5)
  target = logits = None
  for key in case.manifest["arrays"]:
    if key.startswith("stack_stride"):
      step = int(key.removeprefix("stack_stride"))
      case.check(key, stacked[:, :, ::step, ::step], _EXACT)
    elif key == "stack_mean":
      case.check(key, stacked.mean((0, 2, 3)), _EXACT)
    elif key.startswith("z_seed"):
      count = case.arrays[key].size
      z = samples.latents([int(key.removeprefix("z_seed"))], max(512, count))
      case.check(key, z[0, :count], 1e-7)
    elif key == "ce_logits":
      logits = cases.nhwc(case.input(key))
    elif key == "ce_target":
      target = cases.nhwc(case.input(key))
    elif key == "soft_ce":
      case.check(key, segmentation_losses.soft_cross_entropy(logits, target),
                 _EXACT)
    elif key == "soft_ce_masked":
      case.check(key, segmentation_losses.soft_cross_entropy(
          logits, target, jnp.asarray(case.input("mask"))), _EXACT)


def training(case):
  kind, module, variables = network(case)
  maps, side = drawn_maps(case.manifest["inputs"]["features"])
  label = np.asarray(case.draw("labels"), np.int32)
  count = len(label)
  losses, rates = case.arrays["losses"], case.arrays["lr_per_epoch"]
  stacked = cases.nchw(hypercolumn.stack(maps, (side, side), module.resize))
  case.check("hyper_mean", stacked.mean((0, 2, 3)), _EXACT)
  corner = case.arrays["hyper_corner"].shape
  case.check("hyper_corner", stacked[0][:, :corner[1], :corner[2]], _EXACT)

  changes = np.flatnonzero(np.diff(rates))
  every = int(changes[0]) + 1 if changes.size else len(rates)
  config = ml_collections.ConfigDict(dict(
      seed=0, data=dict(ignore_index=255), few_shot=dict(
          kind=kind, learning_rate=float(rates[0]), rate_factors={},
          weight_decay=1e-3,
          epochs=len(rates), decay_epochs=every,
          decay=float(rates[changes[0] + 1] / rates[0])
          if changes.size else 1.0)))
  frozen = {"maps": tuple(maps), "label": jnp.asarray(label)}
  stage = feature_segmenter.build(
      config, module, frozen["maps"], count, lambda: frozen)
  assert stage.steps == losses.size
  state = stage.init(jax.random.key(0), frozen).replace(
      segmenter=variables["params"])
  step = jax.jit(stage.train_step, static_argnames="phase")
  computed, used = [], []
  for i in range(losses.size):
    state, metrics = step(
        state, frozen, {"index": np.int32(i % count)}, (),
        phase="step")
    computed.append(metrics["loss"])
    used.append(metrics["learning_rate"])
    for key in case.manifest["arrays"]:
      if key.startswith(f"after{i + 1}/"):
        check_sums(case, key, kind, state.segmenter)
  case.check("lr_per_epoch", np.asarray(used)[::count], 1e-6)
  computed = np.asarray(computed, np.float64)
  for stop, tolerance in tolerances(case, losses.size):
    np.testing.assert_allclose(
        computed[:stop], losses[:stop], rtol=tolerance, err_msg="losses")
  case.check("losses", computed, 1e-2)


def check_sums(case, key, kind, params):
  """Sum and sum of magnitudes of one entry, relative to the latter."""
  entry = key.split("/")[1]
  (array,) = [
      leaf for path, leaf in jax.tree_util.tree_leaves_with_path(params)
      if entry == ".".join((
          importer.segmenter_name(kind, int(path[0].key.removeprefix("conv"))),
          {"kernel": "weight"}.get(path[1].key, path[1].key)))]
  array = np.asarray(array, np.float64)
  case.check(key, [array.sum(), np.abs(array).sum()], _NET)


def tolerances(case, total):
  """[(number of updates, relative tolerance)] as the manifest states them."""
  text = case.manifest["tolerance"].removeprefix("losses: ")
  rows = re.findall(r"(?:first (\d+)(?: updates)?|all) ([\d.e-]+)", text)
  assert rows, text
  return [(int(stop or total), float(value)) for stop, value in rows]


CHECKS = {"repurpose_cnn": few_shot, "repurpose_official_cnn": few_shot,
          "repurpose_official_unet": unet, "repurpose_official_misc": misc,
          "repurpose_training": training}
