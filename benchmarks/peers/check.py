r"""Compares the peers, in both forms, with the golden vectors.

  python -m benchmarks.peers.check --golden-dir=tests/golden/data --only=gen

Each case prints its largest error over that of its tolerance; above 1 it
fails. Cases without a peer (losses alone, optimisers, ...) are listed.
"""

import argparse
import importlib.util
import pathlib
import re
import sys

import numpy as np
import torch
from torch import nn

from benchmarks.peers import deeplab
from benchmarks.peers import encoder
from benchmarks.peers import few_shot
from benchmarks.peers import fpn_encoder
from benchmarks.peers import gan
from benchmarks.peers import inversion
from benchmarks.peers import layers
from benchmarks.peers import patch
from benchmarks.peers import perceptual
from benchmarks.peers import s4gan
from benchmarks.peers import stylegan2

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location(
    "golden_cases", _ROOT / "tests/golden/cases.py")
cases = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cases)


def tensor(x):
  return torch.from_numpy(np.array(x))


def load(network, state_dict):
  """The network with these entries, all of which must be its own."""
  network.load_state_dict({k: tensor(v) for k, v in state_dict.items()})
  return network.eval()


class Errors:
  """Gathers errors, each divided by its tolerance."""

  def __init__(self, case):
    self.case, self.found = case, {}

  def add(self, key, got, tolerance, *, by="error"):
    """Compares an output of the case, if it has it."""
    keys = self.case.manifest.get("outputs", self.case.arrays)
    if key in keys:
      got = got.detach().numpy() if torch.is_tensor(got) else np.asarray(got)
      self.found[key] = getattr(self.case, by)(key, got) / tolerance

  def rows(self, key, got, *, first, later=None):
    """Compares a value of each iteration, relative to it."""
    want = self.case.expected(key).astype(np.float64)
    gap = np.abs(np.asarray(got) - want) / np.maximum(np.abs(want), 1e-2)
    tolerance = np.full(len(want), later or first)
    tolerance[:1] = first
    self.found[key] = float((gap.reshape(len(want), -1).max(1)
                             / tolerance).max())


def _network(case, form, index=0):
  """The case's `index`-th network."""
  spec, groups = case.manifest["networks"][index], list(case.manifest["state"])
  k, kind = spec["kwargs"], spec["kind"].rpartition("/")[2]
  size = k.get("size")
  channels = None
  if size:
    channels = stylegan2.widths(size, k.get("channel_multiplier", 2))
    if "channels_all" in spec:
      channels = dict.fromkeys(channels, spec["channels_all"])
  if kind == "generator":
    net = stylegan2.Generator(
        size, style_dim=k["style_dim"], mlp_layers=k["n_mlp"],
        image_channels=3 if k.get("image_mode", "RGB") == "RGB" else 1,
        label_channels=k.get("seg_dim", 0), channels=channels, form=form)
  elif kind in ("discriminator", "residual_encoder"):
    net = stylegan2.Discriminator(
        size, image_channels=k["input_dim"], channels=channels,
        num_codes=k.get("n_latent", 0), form=form)
  elif kind == "patch_discriminator":
    net = patch.PatchDiscriminator(
        k["input_nc"], width=k["ndf"], num_layers=k.get("n_layers", 3),
        num_scales=k.get("num_D", 3))
  elif kind == "fpn_encoder":
    if k.get("use_style_head"):
      raise NotImplementedError("style heads")
    net = fpn_encoder.FPNEncoder(
        k["n_latent"], image_channels=k["input_dim"])
  else:
    raise NotImplementedError(kind)
  return load(net, case.state_dict(groups[index]))


def _lpips(case):
  found = case.state_dict("vgg") | case.state_dict("lin")
  return perceptual.LPIPS().load({k: tensor(v) for k, v in found.items()})


def generator(case, form):
  net, e = _network(case, form), Errors(case)
  inputs = {k: tensor(v) for k, v in case.inputs.items()}
  repeat = lambda w: w[:, None].expand(-1, net.num_codes, -1)
  w = net.style(inputs["z"])
  e.add("w", w, 3e-4)
  codes = {"z": repeat(w)}
  if "mean_latent" in inputs:
    mean = inputs["mean_latent"]
    codes["trunc"] = repeat(mean + case.manifest["truncation"] * (w - mean))
  if "z2" in inputs:
    codes["mix"] = stylegan2.mix(w, net.style(
        inputs["z2"]), case.manifest["inject_index"], net.num_codes)
  if "wplus" in inputs:
    codes["wplus"] = inputs["wplus"].requires_grad_()
  for mode, c in codes.items():
    image, label, maps = net.features(c)
    e.add(f"{mode}_img", image, 3e-4)
    if label is not None:
      e.add(f"{mode}_seg", label, 3e-4)
    if mode == "z":
      for i, x in enumerate(maps):
        e.add(f"feat/convs.{i - 1}" if i else "feat/conv1", x, 3e-4)
    if mode == "wplus" and "cot_img" in inputs:
      loss = (image * inputs["cot_img"]).sum()
      if label is not None:
        loss = loss + (label * inputs["cot_seg"]).sum()
      gradient, = torch.autograd.grad(loss / image[0, 0].numel(), c)
      e.add("wplus_g_latent", gradient, 3e-3, by="rel_l2")
  return e


def discriminator(case, form):
  net, e = _network(case, form), Errors(case)
  for key, x in case.inputs.items():
    mark = key.removeprefix("x")
    size = case.manifest["networks"][0]["kwargs"]["size"]
    x = tensor(x).repeat_interleave(size // x.shape[-1], 2)
    x = x.repeat_interleave(size // x.shape[-1], 3).requires_grad_()
    found = net(x)
    e.add(f"logit{mark}", found, 1e-4)
    e.add("styles", found, 1e-4)
    if net.num_codes:
      e.add("styles_first_alone", net(x[:1]), 1e-4)
    else:
      e.add(f"gx{mark}", torch.autograd.grad(found.sum(), x)[0], 1e-4)
    for i, y in enumerate(net.features(x)):
      e.add(f"feat{mark}/convs.{i}", y, 1e-4)
  return e


def patches(case, form):
  net, e = _network(case, form), Errors(case)
  x = tensor(case.inputs["x"]).requires_grad_()

  def run(mode):
    scales = net(x)
    for s, maps in enumerate(scales):
      e.add(f"{mode}/out{s}", maps[-1], 2e-4)
      for j, y in enumerate(maps):
        e.add(f"{mode}/out{s}/f{j}", y, 2e-4)
    return scales

  run("eval")
  net.train()
  scales = run("train1")
  for name, value in net.named_buffers():
    e.add(f"train1/{name}", value.clone(), 2e-4)
  if "train1/out0/f1" in case.manifest["outputs"]:
    loss = sum(m[-1].mean() + 0.1 * m[1].abs().mean() for m in scales)
    e.add("train1/g_x", torch.autograd.grad(loss, x)[0], 2e-4)
  run("train2")
  return e


def fpn(case, form):
  net, e = _network(case, form), Errors(case)
  x = tensor(case.inputs.get("x_small", case.inputs.get("x")))
  repeat = 256 // x.shape[-1]
  x = x.repeat_interleave(repeat, 2).repeat_interleave(repeat, 3)
  with torch.no_grad():
    for name, y in zip(("p4", "p3", "p2"), net.FPN_module(x), strict=True):
      e.add(f"eval/{name}", y, 5e-4)
    e.add("eval/styles", net(x), 5e-4)
    e.add("train/styles", net.train()(x), 5e-4)
  return e


def lpips(case, form):
  net, e = _lpips(case), Errors(case)
  pred, target = (tensor(case.inputs[k]) for k in ("pred", "target"))
  pred.requires_grad_()
  a, b = net.features(pred), net.features(target)
  distance = net.distance(a, b)
  e.add("distance", distance[:, None, None, None], 1e-4)
  e.add("per_layer_1to4", net.layer_distances(a, b)[:, 1:], 1e-4)
  e.add("g_pred", torch.autograd.grad(distance.sum(), pred)[0], 1e-3,
        by="rel_l2")
  return e


def gan_steps(case, form):
  s, e = case.manifest["settings"], Errors(case)
  nets = [_network(case, form, i).train() for i in range(3)]
  trainer = gan.Trainer(*nets, gan.Options(
      s["lr"], s["r1"], s["d_reg_every"], s["path_regularize"],
      s["g_reg_every"], s["lambda_dseg_feat"], s["ema_decay"], release=True),
      fused=form == "best")
  calls = {(r["iter"], r["phase"]): (n, r)
           for n, r in enumerate(case.manifest["tape"])}
  names = {"d_img": "dr", "d_seg": "dm", "g": "g", "path": "path"}

  def draws(i):
    found = {}
    for phase, name in names.items():
      if (i, phase) not in calls:
        continue
      n, record = calls[i, phase]
      get = lambda k, n=n: tensor(case.inputs[f"call{n:02d}_{k}"])
      z = get("z0")
      other = f"call{n:02d}_z1" in case.inputs
      found[name] = {
          "z": torch.stack([z, get("z1") if other else z]),
          "index": record["inject_index"] or nets[0].num_codes,
          "noise": [get(f"noise{j}")
                    for j in range(len(nets[0].noise_shapes))]}
      if phase == "path":
        found["image_noise"] = get("plnoise")
    return found

  rows = []
  for i in range(s["start_iter"], s["iter"]):
    batch = {"unlabeled": tensor(case.inputs[f"it{i}_real_img"]),
             "labeled": tensor(case.inputs[f"it{i}_seg_img"]),
             "label": tensor(case.inputs[f"it{i}_seg_mask"])}
    logs = trainer.iteration(batch, draws(i), r1=i % s["d_reg_every"] == 0,
                             path=i % s["g_reg_every"] == 0)
    rows.append((rows[-1] if rows else {}) | {
        k: v.item() for k, v in logs.items()})
  ours = {"d_img": "dr/loss", "d_img_real_score": "dr/real_score",
          "d_img_fake_score": "dr/fake_score", "d_seg": "dm/loss",
          "r1_img": "dr/r1", "r1_seg": "dm/r1", "g_img": "g/image",
          "g_seg_feat": "g/feature_matching", "g": "g/loss",
          "path": "g/path", "path_length": "g/path_length",
          "g_seg_adv": "g/label", "d_seg_real_score": "dm/real_score",
          "d_seg_fake_score": "dm/fake_score"}
  loose = {"path": 5e-3, "g_seg_adv": 2e-2, "d_seg_real_score": 2e-2,
           "d_seg_fake_score": 2e-2}
  for key, name in ours.items():
    e.rows(f"loss/{key}", [r[name] for r in rows], first=1e-5,
           later=loose.get(key, 1e-3))
  groups = {"g": nets[0], "d_img": nets[1], "d_seg": nets[2],
            "g_ema": trainer.ema}
  for key in case.manifest["outputs"]:
    if key.startswith("final/"):
      _, group, name = key.split("/")
      e.add(key, groups[group].state_dict()[name], 2e-3, by="rel_l2")
  return e


def encoder_steps(case, form):
  s, e = case.manifest["settings"], Errors(case)
  net = _network(case, form, 1).train()
  trainer = encoder.Trainer(net, _network(case, form), _lpips(case),
                            encoder.Options(
      s["lr"], s["unlabel_grad_clip"], s["label_grad_clip"],
      s["lambda_label_mse"], s["lambda_label_lpips"], s["lambda_label_ce"],
      s["lambda_label_dice"]))
  rates = case.expected("lr_label_unlabel")
  rows = []
  for n, i in enumerate(range(s["start_iter"], s["iter"])):
    if n:
      trainer.set_rate("labeled", float(rates[n - 1][0]))
      trainer.set_rate("unlabeled", float(rates[n - 1][1]))
    mask = case.inputs[f"it{i}_seg_mask"]
    label = mask.argmax(1) if mask.shape[1] > 1 else mask[:, 0] > 0
    noise = {long: [tensor(case.inputs[k]) for k in sorted(
        case.inputs, key=lambda k: int(re.findall(r"\d+", k)[-1])
        if "noise" in k else -1) if k.startswith(f"it{i}_{short}_noise")]
             for long, short in (("unlabeled", "unlabel"),
                                 ("labeled", "label"))}
    logs = trainer.iteration({
        "unlabeled": {"image": tensor(case.inputs[f"it{i}_img"])},
        "labeled": {"image": tensor(case.inputs[f"it{i}_seg_img"]),
                    "label": tensor(label.astype(np.int64))}}, noise)
    rows.append({k: v.item() for k, v in logs.items()})
  for short in ("mse", "lpips", "loss", "ce", "dice"):
    name = {"lpips": "perceptual", "ce": "cross_entropy"}.get(short, short)
    for stream in ("unlabel", "label"):
      if f"loss/e_{stream}_{short}" in case.manifest["outputs"]:
        e.rows(f"loss/e_{stream}_{short}",
               [r[f"{stream}ed/{name}"] for r in rows], first=1e-4)
  for stream in ("unlabel", "label"):
    e.rows(f"grad_norm_{stream}",
           [r[f"{stream}ed/gradient_norm"] for r in rows], first=5e-4)
  for key in case.manifest["outputs"]:
    if key.startswith("final/"):
      e.add(key, net.state_dict()[key.removeprefix("final/")], 1e-4,
            by="rel_l2")
  return e


def invert(case, form):
  a, e = case.manifest["arguments"], Errors(case)
  if a.get("no_noises") or (a.get("mean_init") and not a.get("w_plus")):
    raise NotImplementedError("inversion in W or without noise maps")
  net = _network(case, form).requires_grad_(form == "original")
  distance = _lpips(case)
  target = case.inputs["target_uint8"]
  target = target.reshape(*target.shape[:2], -1)
  target = tensor(target).permute(2, 0, 1)[None] / 127.5 - 1
  o = inversion.Options(steps=a["step"])
  for name, field in (("lr", "learning_rate"), ("lr_rampup", "rampup"),
                      ("lr_rampdown", "rampdown")):
    if name in a:
      setattr(o, field, a[name])
  encode = None
  if a.get("mean_init"):
    d = case.manifest["mean_init_draw"]
    with torch.no_grad():
      mean = net.style(tensor(cases.base_draw(
          d["seed_name"], d["shape"]))).mean(0)
    start = mean.expand(1, net.num_codes, -1)
  else:
    encode = _network(case, form, 1)
    with torch.no_grad():
      start = encode(target)
    o.start, o.consistency = 0.0, 1e-3
  noise = [tensor(case.inputs[f"noise_init_{i}"])
           for i in range(len(net.noise_shapes))]
  kept = {int(m[1]): key for key in case.manifest["outputs"]
          if (m := re.fullmatch(r"latent_after_(\d+)", key))}
  codes, noise, logs, snapshots = inversion.search(
      inversion.Networks(net, distance, encode), target, start, noise, o,
      best=form == "best", kept=kept)
  e.rows("loss", logs["total"][:, 0], first=1e-5, later=1e-3)
  e.rows("lpips", logs["perceptual"][:, 0], first=3e-3)
  e.rows("mse", logs["mse"][:, 0], first=1e-2)
  for step, key in kept.items():
    e.add(key, snapshots[step], 1e-3 if step < 4 else 2e-2, by="rel_l2")
  e.add("latent_final", codes, 2e-2, by="rel_l2")
  for i, x in enumerate(noise):
    e.add(f"noise_final_{i}", x, 2e-2, by="rel_l2")
  with torch.no_grad():
    image, label = net(codes, noise)
  e.add("img_final", image.clamp(-1, 1), 2e-2, by="rel_l2")
  e.add("seg_final", label, 2e-2, by="rel_l2")
  return e


def deeplabv2(case, form):
  del form
  e = Errors(case)
  classes = case.manifest["networks"][0]["kwargs"]["num_classes"]
  net = load(deeplab.DeepLabV2(classes), case.state_dict())
  with torch.no_grad():
    for key in case.arrays:
      if not re.fullmatch(r"x(\d+|_train)", key):
        continue
      mark = key.removeprefix("x")
      x = tensor(case.input(key).astype(np.float32))
      if "divide by 255" in case.manifest.get("notes", ""):
        x = x / 255
      net.train(mark == "_train")
      logits = net(x)
      e.add(f"logits{mark}", logits, 1e-3 if mark == "_train" else 1e-4)
      e.add(f"argmax{mark}",
            deeplab.enlarge(logits, x.shape[2:]).argmax(1), 1e-9)
  return e


def s4gan_discriminator(case, form):
  del form
  e = Errors(case)
  width, channels = case.manifest["entries"]["conv1.weight"]["shape"][:2]
  net = load(s4gan.Discriminator(channels, width=width), case.state_dict())
  image = case.input("image_low").repeat(8, 2).repeat(8, 3)
  labels = case.draw("labels")
  image = tensor(image[:, :, :labels.shape[1], :labels.shape[2]])
  image = image.float() / 255
  classes = channels - image.shape[1]
  low = tensor(case.draw("logits_low"))
  soft = deeplab.enlarge(low, image.shape[2:]).softmax(1)
  for name, maps in (("real", tensor(cases.one_hot_nchw(labels, classes))),
                     ("fake", soft)):
    score, features = net(torch.cat([maps, image], 1))
    e.add(f"{name}_score", score.sigmoid()[:, None], 1e-5)
    e.add(f"{name}_features", features[:, :, None, None], 1e-4)
  return e


class _Toy(nn.Module):
  """The segmenter of the case with whole iterations."""

  def __init__(self, entries):
    super().__init__()
    make = lambda k, **o: nn.Conv2d(
        *entries[f"S/{k}.weight"].shape[1::-1], 3, padding=1, **o)
    self.conv1, self.conv2 = make("conv1", stride=2), make("conv2")

  def forward(self, image):
    return self.conv2(self.conv1(image).relu())


def s4gan_steps(case, form):
  del form
  e, s, entries = Errors(case), case.manifest["setup"], case.state_dict()
  part = lambda mark: {
      k[2:]: v for k, v in entries.items() if k.startswith(mark)}
  net = load(_Toy(entries), part("S/")).train()
  width, channels = entries["D/conv1.weight"].shape[:2]
  judge = load(s4gan.Discriminator(
      channels, width=width, dropout=0.0), part("D/")).train()
  trainer = s4gan.Trainer(net, judge, s4gan.Options(
      s["steps"], s["lr"], s["lrd"], ignore=s["ign"],
      threshold=case.manifest["threshold_st"], borrowed_range=True),
      head="conv2.")
  drawn = list(case.manifest["inputs"].values())
  call = lambda text, i: cases.evaluate(
      re.search(r"(normal_input|block_labels)\(.*?\)(?=\)|$)",
                text.replace("<i>", str(i)))[0])
  for i, want in enumerate(case.manifest["iterations"]):
    x_l, y_l, x_u, x_g, y_g = (call(text, i) for text in drawn)
    x_u = np.round(x_u)
    factor = np.arange(1, len(x_u) + 1, dtype=np.float32)
    x_u = np.round(x_u * factor[:, None, None, None] * np.float32(0.5))
    logs = trainer.iteration({
        "labeled": {"image": tensor(np.round(x_l)), "label": tensor(y_l)},
        "unlabeled": {"image": tensor(x_u)},
        "real": {"image": tensor(np.round(x_g)), "label": tensor(y_g)}})
    for key, name in (("loss_ce", "s/cross_entropy"), ("loss_S", "s/loss"),
                      ("loss_fm", "s/feature_matching"), ("loss_D", "d/loss"),
                      ("loss_st", "s/self_training")):
      gap = abs(logs[name].item() - want[key]) / max(abs(want[key]), 1e-3)
      e.found[f"it{i}/{key}"] = gap / 1e-5
    e.add(f"it{i}/score_unlabelled", logs["score"].sigmoid()[:, None], 1e-4)
    e.add(f"it{i}/score_real", logs["real_score"].sigmoid()[:, None], 1e-4)
    e.add(f"it{i}/fm_features_unlabelled", logs["features"], 1e-4)
    e.add(f"it{i}/fm_features_real", logs["real_features"], 1e-4)
  for mark, module in (("S", net), ("D", judge)):
    for name, value in module.named_parameters():
      e.add(f"final/{mark}/{name}", value, 1e-4)
  return e


def few_shot_cnn(case, form):
  e = Errors(case)
  entries = case.state_dict()
  x = tensor(case.draw("x"))
  net = few_shot.FewShot(x.shape[1], len(entries["conv9.bias"]),
                         size=x.shape[2], form=form)
  # Two maps in the place of one: the stack is the case's input.
  with torch.no_grad():
    e.add("logits", load(net, entries)(x.split([40, x.shape[1] - 40], 1)),
          1e-4)
  return e


CHECKS = {
    "gen": generator, "dr": discriminator, "resenc": discriminator,
    "dm": patches, "fpnenc": fpn, "lpips_vgg": lpips,
    "train_steps": gan_steps, "enc_train_steps": encoder_steps,
    "invert": invert, "deeplabv2": deeplabv2,
    "s4gan_discriminator": s4gan_discriminator,
    "s4gan_three_iterations": s4gan_steps,
    "repurpose_official_cnn": few_shot_cnn}


def main(argv=None) -> int:
  """Exit status: 0 if all cases with a peer agree and there are some."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--golden-dir", default=_ROOT / "tests/golden/data")
  parser.add_argument("--only", default="", help="start of the cases' names")
  args = parser.parse_args(argv)
  ran = failed = 0
  others = []
  for folder in cases.find(args.golden_dir):
    check = next((f for k, f in CHECKS.items()
                  if folder.name.startswith(k)), None)
    if not check:
      others.append(folder.name)
    if not check or not folder.name.startswith(args.only):
      continue
    for form in layers.FORMS:
      try:
        found = check(cases.load(folder), form).found
      except NotImplementedError as error:
        print(f"{folder.name:34s} {form:9s} no peer: {error}")
        continue
      worst = max(found, key=found.get)
      bad = not found[worst] <= 1
      ran, failed = ran + 1, failed + bad
      print(f"{folder.name:34s} {form:9s} {'FAIL' if bad else 'ok  '} "
            f"{len(found):3d} outputs, worst {found[worst]:.2g} of its "
            f"tolerance ({worst})", flush=True)
  print(f"{ran} runs, {failed} failed; without a peer: {', '.join(others)}")
  return int(failed > 0 or not ran)


if __name__ == "__main__":
  sys.exit(main())
