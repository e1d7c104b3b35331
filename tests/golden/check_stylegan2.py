"""Golden checks of the generator and the two discriminators."""

import re

import cases
import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax import interop
from semseg_jax.interop import stylegan2 as interop_stylegan2
from semseg_jax.models import stylegan2


def network(case, index=0):
  """(module, variables) of the case's `index`-th network."""
  spec = case.manifest["networks"][index]
  group = list(case.manifest["state"])[index]
  return interop.from_torch(spec["kind"], case.state_dict(group))


def generator(case):
  module, variables = network(case)
  tolerance = 2e-4 if module.size < 256 else 3e-4
  inputs, outputs = case.inputs, case.manifest["outputs"]
  count = module.num_ws

  @jax.jit
  def mapping(variables, z):
    return module.apply(variables, z, method="mapping")

  @jax.jit
  def synthesize(variables, latents):
    return module.apply(variables, latents, method="synthesize")

  def check(key, value):
    if key in outputs:
      case.check(key, cases.nchw(value), tolerance)

  def check_sample(mode, latents):
    keys = [f"{mode}_img", f"{mode}_seg", f"{mode}_latent"]
    if not any(key in outputs for key in keys):
      return {}
    sample, features = synthesize(variables, latents)
    check(keys[0], sample.image)
    if sample.logits is not None:
      check(keys[1], sample.logits)
    check(keys[2], latents)
    return features

  w = mapping(variables, inputs["z"])
  check("w", w)
  features = check_sample("z", stylegan2.broadcast_latents(w, count))
  for key in outputs:
    if key.startswith("feat/"):
      check(key, features[_feature(key.removeprefix("feat/"), module)])
  truncated = w
  if "mean_latent" in inputs:
    truncated = stylegan2.truncate(
        w, inputs["mean_latent"], case.manifest["truncation"])
  check_sample("trunc", stylegan2.broadcast_latents(truncated, count))
  if "z2" in inputs:
    check_sample("mix", stylegan2.mix_latents(
        w, mapping(variables, inputs["z2"]), case.manifest["inject_index"],
        count))
  if "wplus" in inputs:
    check_sample("wplus", jnp.asarray(inputs["wplus"]))

  if "wplus_g_latent" in outputs:
    cotangents = [cases.nhwc(inputs["cot_img"])]
    if module.label_channels:
      cotangents.append(cases.nhwc(inputs["cot_seg"]))

    @jax.jit
    def gradient(variables, latents, cotangents):
      def loss(latents):
        sample, _ = module.apply(variables, latents, method="synthesize")
        parts = zip(sample, cotangents, strict=False)
        return sum(jnp.sum(x * c) for x, c in parts) / module.size**2
      return jax.grad(loss)(latents)

    case.check(
        "wplus_g_latent", gradient(variables, inputs["wplus"], cotangents),
        3e-3, by="rel_l2")


def _feature(name, module):
  """Our name of the original's module `name`."""
  head = re.fullmatch(r"to_(rgb|seg)(?:1|s\.(\d+))", name)
  if head:
    kind = {"rgb": "image", "seg": "label"}[head[1]]
    step = 0 if head[2] is None else int(head[2]) + 1
    return f"{kind}{module.resolutions[step]}"
  if name == "conv1":
    return "conv4"
  index = int(re.fullmatch(r"convs\.(\d+)", name)[1])
  suffix = "" if index % 2 else "_up"
  return f"conv{module.resolutions[index // 2 + 1]}{suffix}"


def image_discriminator(case):
  module, variables = network(case)
  apply = jax.jit(module.apply)

  @jax.jit
  def gradient(variables, x):
    return jax.grad(lambda x: module.apply(variables, x)[0].sum())(x)

  for key, x in case.inputs.items():
    suffix = key.removeprefix("x")
    # Large inputs are stored small: every pixel is to be repeated.
    repeat = module.size // x.shape[-1]
    x = jnp.repeat(jnp.repeat(cases.nhwc(x), repeat, 1), repeat, 2)
    logits, features = apply(variables, x)
    got = {f"logit{suffix}": logits[:, None],
           f"stddev{suffix}": cases.nchw(features["stddev"]),
           f"feat{suffix}/convs.0": cases.nchw(features["from_image"]),
           f"feat{suffix}/final_conv": cases.nchw(features["final"])}
    resolution = module.size
    while resolution > 4:
      i = (module.size // resolution).bit_length()
      got[f"feat{suffix}/convs.{i}"] = cases.nchw(
          features[f"block{resolution}"])
      resolution //= 2
    if f"gx{suffix}" in case.manifest["outputs"]:
      _check_gradient(case, f"gx{suffix}", cases.nchw(gradient(variables, x)))
    for name, value in got.items():
      if name in case.manifest["outputs"]:
        case.check(name, value, 1e-4)


def _check_gradient(case, key, value):
  """Compares dD/dx, which jumps where a leaky ReLU's input is 0.

  Where that input is within rounding of 0, float32 decides by its order of
  sums on which side it lies: such an image's gradient differs by the share of
  one unit, others' hardly. From 64 px on most images have such a unit: the
  limit is that of the generator's gradients. `losses_gan` holds Dr's tightly.
  """
  errors = case.sample_errors(key, value)
  assert np.median(errors) <= 3e-3, (key, errors)
  assert errors.max() <= 5e-3, (key, errors)
  case.used.add(key)


def patch_discriminator(case):
  module, variables = network(case)
  outputs = case.manifest["outputs"]
  entries = interop_stylegan2.patch_discriminator_entries(module)
  x = cases.nhwc(case.inputs["x"])

  def check(key, value):
    if key in outputs:
      case.check(key, cases.nchw(value), 2e-4)

  def check_maps(mode, scales):
    for s, maps in enumerate(scales):
      check(f"{mode}/out{s}", maps[-1])
      for j, value in enumerate(maps):
        check(f"{mode}/out{s}/f{j}", value)

  def check_stats(mode, spectral):
    named = interop_stylegan2.to_torch(
        [e for e in entries if e.path[0] == "spectral"],
        {"spectral": spectral})
    for name, value in named.items():
      check(f"{mode}/{name}", value)

  @jax.jit
  def loss(params, spectral, x):
    scales, updated = module.apply(
        {"params": params, "spectral": spectral}, x, update_stats=True,
        mutable=["spectral"])
    total = sum(jnp.mean(maps[-1]) for maps in scales)
    if module.all_maps:
      total += 0.1 * sum(jnp.mean(jnp.abs(maps[1])) for maps in scales)
    return total, (scales, updated["spectral"])

  check_maps("eval", jax.jit(
      lambda v, x: module.apply(v, x, update_stats=False))(variables, x))
  params, spectral = variables["params"], variables["spectral"]
  (value, (scales, spectral)), (g_params, g_x) = jax.jit(jax.value_and_grad(
      loss, argnums=(0, 2), has_aux=True))(params, spectral, x)
  check("train1/loss", value)
  check("train1/g_x", g_x)
  weight = case.manifest.get("grad_weight")
  if weight:
    named = interop_stylegan2.to_torch(
        [e for e in entries if e.name == weight], {"params": g_params})
    case.check("train1/g_weight_orig", named[weight], 2e-4)
  check_maps("train1", scales)
  check_stats("train1", spectral)
  _, (scales, spectral) = loss(params, spectral, x)
  check_maps("train2", scales)
  check_stats("train2", spectral)


CHECKS = {"gen": generator, "dr": image_discriminator,
          "dm": patch_discriminator}
