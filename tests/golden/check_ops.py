"""Golden checks of resampling, modulated convolution and GAN losses."""

import itertools
import re

import cases
import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax import interop
from semseg_jax.cpu import target
from semseg_jax.interop import stylegan2 as interop_stylegan2
from semseg_jax.models import layers
from semseg_jax.ops import gan_losses
from semseg_jax.ops import modulated_conv
from semseg_jax.ops import resample


def upfirdn2d(case):
  x = cases.nhwc(case.inputs["x"])
  for name, v in case.manifest["variants"].items():
    run = lambda x, name=name, v=v: resample.upfirdn2d(
        x, case.inputs[f"{name}_kernel"], up=v["up"], down=v["down"],
        pad=tuple(v["pad"]))
    y, vjp = jax.vjp(jax.jit(run), x)
    case.check(name, cases.nchw(y), 1e-5)
    if f"{name}_gx" in case.manifest["outputs"]:
      gradient, = vjp(cases.nhwc(case.inputs[f"{name}_cot"]))
      case.check(f"{name}_gx", cases.nchw(gradient), 1e-5)


def modconv(case):
  x, latent = cases.nhwc(case.inputs["x"]), jnp.asarray(case.inputs["style"])
  weights = case.state_dict("m")
  for name, v in case.manifest["variants"].items():
    weight = weights[f"{name}.weight"]
    assert weight.shape[-1] == v["kernel_size"]
    arguments = (
        x, latent, jnp.asarray(weight[0].transpose(2, 3, 1, 0)),
        {"kernel": jnp.asarray(weights[f"{name}.modulation.weight"].T),
         "bias": jnp.asarray(weights[f"{name}.modulation.bias"])})

    # The forms of both platforms must agree with the reference.
    for platform in ("cpu", "gpu"):
      def run(x, latent, kernel, affine, v=v):
        style = layers.EqualDense(x.shape[-1]).apply({"params": affine}, latent)
        return modulated_conv.modulated_conv(
            x, kernel, style, up=v.get("upsample", False),
            down=v.get("downsample", False),
            demodulate=v.get("demodulate", True))

      with target.compiling_for(platform):
        y, vjp = jax.vjp(jax.jit(run), *arguments)
      case.check(name, cases.nchw(y), 2e-5)
      if f"{name}_g_x" not in case.manifest["outputs"]:
        continue
      g_x, g_latent, g_kernel, g_affine = vjp(
          cases.nhwc(case.inputs[f"cot_{name}"]))
      case.check(f"{name}_g_x", cases.nchw(g_x), 2e-5)
      case.check(f"{name}_g_style", g_latent, 2e-5)
      case.check(
          f"{name}_g_weight", np.transpose(g_kernel, (3, 2, 0, 1))[None], 2e-5)
      case.check(f"{name}_g_modw", g_affine["kernel"].T, 2e-5)
      case.check(f"{name}_g_modb", g_affine["bias"], 2e-5)


def losses_gan(case):
  inputs = case.inputs
  real, fake = inputs["real_pred"][:, 0], inputs["fake_pred"][:, 0]
  tolerance = 1e-4
  case.check("d_logistic", gan_losses.logistic_discriminator(real, fake),
             tolerance)
  case.check("g_nonsat", gan_losses.nonsaturating_generator(fake), tolerance)

  fake_maps, real_maps = _maps(inputs, "fake"), _maps(inputs, "real")
  for key in case.manifest["outputs"]:
    match = re.fullmatch(r"(\w+)_(d_fake|d_real|g)", key)
    if not match:
      continue
    mode, side = match.groups()
    if side == "g":
      value = gan_losses.patch_generator_loss(fake_maps, mode)
    else:
      value = gan_losses.patch_discriminator_loss(
          fake_maps, side == "d_real", mode)
    case.check(key, value, tolerance)
  settings = case.manifest["settings"]
  weight = re.search(r"lambda=([\d.]+)", settings["feature_matching"])[1]
  case.check(
      "feature_matching",
      gan_losses.feature_matching(fake_maps, real_maps, float(weight)),
      tolerance)
  _r1(case, tolerance)
  _path_length(case, settings, tolerance)


def _network(case, kind):
  kinds = [n["kind"] for n in case.manifest["networks"]]
  group = list(case.manifest["state"])[kinds.index(kind)]
  return interop.from_torch(kind, case.state_dict(group))


def _gradient_norms(entries, gradients, order):
  named = interop_stylegan2.to_torch(
      [e for e in entries if e.path[0] == "params"], {"params": gradients})
  return np.array([np.linalg.norm(named[name].ravel()) for name in order])


def _r1(case, tolerance):
  module, variables = _network(case, "stylegan2/discriminator")
  x = cases.nhwc(case.inputs["r1_x"])

  def penalty(params):
    score = lambda x: module.apply({"params": params}, x)[0].sum()
    return gan_losses.r1_penalty(score, x)

  value, gradients = jax.jit(jax.value_and_grad(penalty))(variables["params"])
  norms = _gradient_norms(
      interop_stylegan2.discriminator_entries(module), gradients,
      case.manifest["r1_param_order"])
  case.check("r1", value, tolerance)
  case.check("r1_param_grad_norms", norms, tolerance)
  case.check("r1_grad_norm", np.sqrt((norms**2).sum()), tolerance)


def _path_length(case, settings, tolerance):
  module, variables = _network(case, "stylegan2/generator")
  z, noise = case.inputs["pl_z"], cases.nhwc(case.inputs["pl_noise"])

  def penalty(params):
    bound = module.bind({**variables, "params": params})
    w = bound.mapping(z)
    latents = jnp.broadcast_to(
        w[:, None], (w.shape[0], module.num_ws, w.shape[1]))
    value, mean, lengths = gan_losses.path_length_penalty(
        lambda c: bound.synthesize(c)[0].image, latents, noise,
        settings["mean_path_length"], settings["decay"])
    return value, (mean, lengths)

  (value, (mean, lengths)), gradients = jax.jit(
      jax.value_and_grad(penalty, has_aux=True))(variables["params"])
  case.check("pl_penalty", value, tolerance)
  case.check("pl_new_mean", mean, tolerance)
  case.check("pl_lengths", lengths, tolerance)
  case.check("pl_param_grad_norms", _gradient_norms(
      interop_stylegan2.generator_entries(module), gradients,
      case.manifest["pl_param_order"]), tolerance)


def _maps(inputs, side):
  """The recorded maps as list over scales of lists over layers."""
  scales = []
  for s in itertools.count():
    maps = []
    while f"{side}_s{s}_f{len(maps)}" in inputs:
      maps.append(cases.nhwc(inputs[f"{side}_s{s}_f{len(maps)}"]))
    if not maps:
      return scales
    scales.append(maps)


CHECKS = {"upfirdn2d": upfirdn2d, "modconv": modconv, "losses_gan": losses_gan}
