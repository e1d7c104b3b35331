"""Golden training runs through the product's own steps.

`train_steps`: whole GAN iterations with recorded inputs; `enc_train_steps`:
encoder iterations. Weights are traced back to the original names by importing
a state dict of element numbers (`Names`).
"""

import cases
import jax
import jax.numpy as jnp
import numpy as np

from configs.semantic_gan import base
from semseg_jax import interop
from semseg_jax.methods import gan as gan_stage
from semseg_jax.methods.common import joint_networks
from semseg_jax.methods.common import perceptual as perceptual_lib
from semseg_jax.methods.semantic_gan import encoder as encoder_stage


class Names:
  """Reads arrays by their original names out of our variables."""

  def __init__(self, kind, state_dict):
    numbered, start = {}, 1
    for name, x in state_dict.items():
      if x.dtype == np.float32 and "kernel" not in name:
        numbered[name] = np.arange(
            start, start + x.size, dtype=np.float32).reshape(x.shape)
        start += x.size
      else:
        numbered[name] = x
    assert start < 2 ** 24, "element numbers must be exact in float32"
    _, positions = interop.from_torch(kind, numbered)
    flat = np.concatenate([np.ravel(x) for x in jax.tree.leaves(positions)])
    self.order = np.full(start, -1, np.int64)
    self.order[flat.astype(np.int64)] = np.arange(flat.size)
    self.structure = jax.tree.structure(positions)
    self.numbered = numbered
    self.state_dict = state_dict

  def read(self, name, variables):
    """The entry `name` as it stands in `variables`, in its original layout."""
    number = self.numbered[name]
    if number is self.state_dict[name]:  # a constant of the original
      return self.state_dict[name]
    assert jax.tree.structure(variables) == self.structure
    flat = np.concatenate(
        [np.ravel(x) for x in jax.tree.leaves(jax.device_get(variables))])
    positions = self.order[number.astype(np.int64)]
    assert (positions >= 0).all(), f"{name} is not part of the variables"
    return flat[positions]


def labels(mask):
  """Maps in {-1, 1}, NCHW, to class indices."""
  if mask.shape[1] == 1:
    return (mask[:, 0] > 0).astype(np.int32)
  return mask.argmax(1).astype(np.int32)


def base_config(settings, generator):
  """The official code's config with what the manifest's settings change."""
  config = base.get_config()
  config.match_official = True
  config.data.update(size=generator.size, channels=generator.image_channels,
                     num_labeled=1,
                     num_classes=max(2, generator.label_channels))
  config.unlock()
  return config


def gan_steps(case):
  s = case.manifest["settings"]
  assert not s["zero_grad_set_to_none"]
  kinds = [n["kind"] for n in case.manifest["networks"]]
  groups = ("g", "d_img", "d_seg")
  dicts = {g: case.state_dict(g) for g in groups}
  imported = {g: interop.from_torch(k, dicts[g])
              for g, k in zip(groups, kinds, strict=True)}
  names = {g: Names(k, dicts[g]) for g, k in zip(groups, kinds, strict=True)}
  names["g_ema"] = names["g"]
  modules = joint_networks.Modules(*(imported[g][0] for g in groups))
  config = base_config(s, modules.generator)
  config.gan.update(
      batch_size=s["batch"], learning_rate=s["lr"],
      style_mixing_prob=s["mixing"],
      r1_gamma=float(s["r1"]), r1_every=s["d_reg_every"],
      path_length_weight=float(s["path_regularize"]),
      path_every=s["g_reg_every"], path_batch_shrink=s["path_batch_shrink"],
      feature_matching_weight=s["lambda_dseg_feat"], ema_decay=s["ema_decay"])
  stage = gan_stage.make(config, None, modules=modules)
  g, dr, dm = (imported[k][1] for k in groups)
  state = jax.jit(stage.init)(jax.random.key(0), {}).replace(
      generator=g["params"], ema=g["params"], noise=g["noise"],
      image_discriminator=dict(dr), patch_discriminator=dict(dm))
  step = jax.jit(stage.train_step, static_argnames="phase")

  calls = {}
  for n, record in enumerate(case.manifest["tape"]):
    calls[record["iter"], record["phase"]] = (n, record)

  def rngs(iteration, phase):
    n, record = calls[iteration, phase]
    z0 = case.inputs[f"call{n:02d}_z0"]
    z1 = case.inputs.get(f"call{n:02d}_z1", z0)
    count = len([k for k in case.inputs if k.startswith(f"call{n:02d}_noise")])
    index = record["inject_index"]
    return {
        "z": np.stack([z0, z1]),
        "index": np.int32(
            modules.generator.num_ws if index is None else index),
        "noise": tuple(cases.nhwc(case.inputs[f"call{n:02d}_noise{i}"])
                       for i in range(count))}

  log, sums = [], []
  # The original logs zeros before the first regularization.
  values = dict.fromkeys(("dr/r1", "dm/r1", "g/path", "g/path_length"), 0.0)
  for i in range(s["start_iter"], s["iter"]):
    batch = {
        "unlabeled": {"image": cases.nhwc(case.inputs[f"it{i}_real_img"])},
        "labeled": {"image": cases.nhwc(case.inputs[f"it{i}_seg_img"]),
                    "label": labels(case.inputs[f"it{i}_seg_mask"])}}
    for phase in stage.phases(i):
      none = {f"augment_{k}": () for k in ("real", "fake", "pair",
                                           "fake_pair")}
      if phase == "d":
        none.update(dr=rngs(i, "d_img"), dm=rngs(i, "d_seg"))
      if phase == "g":
        none.update(g=rngs(i, "g"))
      if phase == "path":
        n, _ = calls[i, "path"]
        none.update(path=rngs(i, "path"), image_noise=cases.nhwc(
            case.inputs[f"call{n:02d}_plnoise"]))
      state, metrics = step(state, {}, batch, none, phase=phase)
      values.update(jax.device_get(metrics))
    log.append(dict(values))
    trees = {"g": {"params": state.generator, "noise": state.noise},
             "d_img": state.image_discriminator,
             "d_seg": state.patch_discriminator,
             "g_ema": {"params": state.ema, "noise": state.noise}}
    row = []
    for entry in case.manifest["checksum_order"]:
      group, _, name = entry.partition("/")
      row.append(names[group].read(name, trees[group]).astype(np.float64))
    sums.append(row)

  metrics_of = {
      "loss/d_img": "dr/loss", "loss/d_img_real_score": "dr/real_score",
      "loss/d_img_fake_score": "dr/fake_score", "loss/d_seg": "dm/loss",
      "loss/d_seg_real_score": "dm/real_score",
      "loss/d_seg_fake_score": "dm/fake_score", "loss/r1_img": "dr/r1",
      "loss/r1_seg": "dm/r1", "loss/g_img": "g/image",
      "loss/g_seg_adv": "g/label", "loss/g_seg_feat": "g/feature_matching",
      "loss/g": "g/loss", "loss/path": "g/path",
      "loss/path_length": "g/path_length"}
  loose = {"loss/path": 5e-3, "loss/g_seg_adv": 2e-2,
           "loss/d_seg_real_score": 2e-2, "loss/d_seg_fake_score": 2e-2}
  for key, name in metrics_of.items():
    expect_rows(case, key, [row[name] for row in log], first=1e-5,
                later=loose.get(key, 1e-3))
  check_sums(case, sums, "d_seg/scale", "layer4.0.bias")
  for key in case.manifest["outputs"]:
    if key.startswith("final/"):
      _, group, name = key.split("/")
      case.check(key, names[group].read(name, trees[group]), 2e-3,
                 by="rel_l2")


def expect_rows(case, key, got, *, first, later):
  """One value an iteration; the first is not yet shaken by Adam's signs."""
  expected = case.expected(key)
  got = np.asarray(got, np.float64)
  assert got.shape == expected.shape, (key, got.shape, expected.shape)
  np.testing.assert_allclose(
      got[:1], expected[:1], rtol=first, atol=1e-6,  # of sums that cancel
      err_msg=f"{case.name}:{key}, first iteration")
  np.testing.assert_allclose(
      got[1:], expected[1:], rtol=later, atol=later * 1e-2,
      err_msg=f"{case.name}:{key}, later iterations")
  case.used.add(key)


def check_sums(case, rows, *left_out, tol=1e-4, noise_tol=2e-3):
  """Sums and absolute sums of every entry after each iteration.

  Entries whose name holds all of `left_out` have a gradient that is rounding
  only. The tolerance is relative to the absolute sum.
  """
  absolute = case.expected("checksum/abs")
  for key, reduce in (("checksum/sum", np.sum),
                      ("checksum/abs", lambda x: np.abs(x).sum())):
    expected = case.expected(key)
    got = np.array([[reduce(x) for x in row] for row in rows])
    assert got.shape == expected.shape
    for j, name in enumerate(case.manifest["checksum_order"]):
      if left_out and all(part in name for part in left_out):
        continue
      limit = noise_tol if "noise.weight" in name else tol
      gap = np.abs(got[:, j] - expected[:, j]) / np.maximum(
          absolute[:, j], 1e-12)
      assert gap.max() <= limit, (
          f"{case.name}:{key} {name}: relative {gap.max():.3g} > {limit}")
    case.used.add(key)


def encoder_steps(case):
  s = case.manifest["settings"]
  kinds = [n["kind"] for n in case.manifest["networks"]]
  generator, g = interop.from_torch(kinds[0], case.state_dict("g_ema"))
  encoder_dict = case.state_dict("e")
  encoder, e = interop.from_torch(kinds[1], encoder_dict)
  names = Names(kinds[1], encoder_dict)
  lpips, lpips_variables = interop.from_torch(
      "lpips/vgg", {**case.state_dict("vgg"), **case.state_dict("lin")})
  config = base_config(s, generator)
  # The recorded process was not the first one, which alone leaves training
  # mode: batch normalization behaves as the paper says.
  config.match_official = False
  batch_size = len(case.inputs[f"it{s['start_iter']}_img"])
  config.encoder.update(
      batch_size=batch_size, unlabeled_batch_size=batch_size,
      optimizer=s["optimizer"], learning_rate=s["lr"],
      final_learning_rate=s["lr_decay"],
      decay_start=s["lr_decay_iter_start"], decay_end=s["lr_decay_iter_end"],
      unlabeled_mse_weight=s["lambda_unlabel_mse"],
      unlabeled_perceptual_weight=s["lambda_unlabel_lpips"],
      labeled_mse_weight=s["lambda_label_mse"],
      labeled_perceptual_weight=s["lambda_label_lpips"],
      cross_entropy_weight=s["lambda_label_ce"],
      dice_weight=s["lambda_label_dice"],
      unlabeled_clip=np.inf if s["no_grad_clip"] else s["unlabel_grad_clip"],
      labeled_clip=np.inf if s["no_grad_clip"] else s["label_grad_clip"])
  stage = encoder_stage.make(
      config, None, modules=(generator, encoder),
      perceptual=perceptual_lib.from_module(lpips, lambda: lpips_variables))
  frozen = {"generator": g, "perceptual": lpips_variables}
  state = jax.jit(stage.init)(jax.random.key(0), frozen)
  state = state.replace(encoder=dict(e), step=jnp.int32(s["start_iter"]))
  step = jax.jit(stage.train_step, static_argnames="phase")

  log, sums = [], []
  for i in range(s["start_iter"], s["iter"]):
    batch = {
        "unlabeled": {"image": cases.nhwc(case.inputs[f"it{i}_img"])},
        "labeled": {"image": cases.nhwc(case.inputs[f"it{i}_seg_img"]),
                    "label": labels(case.inputs[f"it{i}_seg_mask"])}}
    values = {}
    for phase in stage.phases(i):
      stream = phase.partition("_")[0]
      prefix = f"it{i}_{'label' if stream == 'labeled' else 'unlabel'}_noise"
      count = len([k for k in case.inputs if k.startswith(prefix)])
      noise = tuple(
          cases.nhwc(case.inputs[f"{prefix}{n}"]) for n in range(count))
      state, metrics = step(state, frozen, batch, {"noise": noise},
                            phase=phase)
      values.update(jax.device_get(metrics))
    log.append(values)
    sums.append([names.read(n, state.encoder).astype(np.float64)
                 for n in case.manifest["checksum_order"]])

  metrics_of = {"mse": "mse", "lpips": "perceptual", "loss": "loss",
                "ce": "cross_entropy", "dice": "dice"}
  for key in case.manifest["outputs"]:
    if key.startswith("loss/e_"):
      stream, name = key.removeprefix("loss/e_").split("_")
      expect_rows(case, key, [row[f"{stream}ed/{metrics_of[name]}"]
                              for row in log], first=1e-4, later=1e-4)
    if key.startswith("grad_norm_"):
      stream = key.removeprefix("grad_norm_")
      expect_rows(case, key, [row[f"{stream}ed/gradient_norm"]
                              for row in log], first=5e-4, later=5e-4)
  # Rates as they stand after each iteration's update.
  rate = encoder_stage.learning_rate(config)
  rates = [[float(rate(i + 1))] * 2 for i in range(s["start_iter"], s["iter"])]
  case.check("lr_label_unlabel", rates, 1e-6)
  check_sums(case, sums, tol=1e-5, noise_tol=1e-5)
  for key in case.manifest["outputs"]:
    if key.startswith("final/"):
      case.check(key, names.read(key.removeprefix("final/"), state.encoder),
                 1e-4, by="rel_l2")


CHECKS = {"train_steps": gan_steps, "enc_train_steps": encoder_steps}
