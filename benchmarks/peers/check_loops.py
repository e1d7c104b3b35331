"""Checks of whole iterations and searches: (golden case, form) -> errors."""

import re

import numpy as np
import torch
from torch import nn

from benchmarks.peers import encoder
from benchmarks.peers import gan
from benchmarks.peers import golden
from benchmarks.peers import inversion
from benchmarks.peers import s4gan


def gan_steps(case, form):
  s, e = case.manifest["settings"], golden.Errors(case)
  nets = [golden.network(case, form, i).train() for i in range(3)]
  trainer = gan.Trainer(*nets, gan.Options(
      s["lr"], s["r1"], s["d_reg_every"], s["path_regularize"],
      s["g_reg_every"], s["lambda_dseg_feat"], s["ema_decay"],
      match_official=True), fused=form == "best")
  calls = {(r["iter"], r["phase"]): (n, r)
           for n, r in enumerate(case.manifest["tape"])}
  names = {"d_img": "dr", "d_seg": "dm", "g": "g", "path": "path"}

  def rngs(i):
    numbers = {}
    for phase, name in names.items():
      if (i, phase) not in calls:
        continue
      n, record = calls[i, phase]
      get = lambda k, n=n: golden.tensor(case.inputs[f"call{n:02d}_{k}"])
      z = get("z0")
      other = f"call{n:02d}_z1" in case.inputs
      numbers[name] = {
          "z": torch.stack([z, get("z1") if other else z]),
          "index": record["inject_index"] or nets[0].num_ws,
          "noise": [get(f"noise{j}")
                    for j in range(len(nets[0].noise_shapes))]}
      if phase == "path":
        numbers["image_noise"] = get("plnoise")
    return numbers

  rows = []
  for i in range(s["start_iter"], s["iter"]):
    batch = {"unlabeled": golden.tensor(case.inputs[f"it{i}_real_img"]),
             "labeled": golden.tensor(case.inputs[f"it{i}_seg_img"]),
             "label": golden.tensor(case.inputs[f"it{i}_seg_mask"])}
    logs = trainer.iteration(batch, rngs(i), r1=i % s["d_reg_every"] == 0,
                             path=i % s["g_reg_every"] == 0)
    rows.append((rows[-1] if rows else {}) | {
        k: v.item() for k, v in logs.items()})
  metrics = {"d_img": "dr/loss", "d_img_real_score": "dr/real_score",
             "d_img_fake_score": "dr/fake_score", "d_seg": "dm/loss",
             "r1_img": "dr/r1", "r1_seg": "dm/r1", "g_img": "g/image",
             "g_seg_feat": "g/feature_matching", "g": "g/loss",
             "path": "g/path", "path_length": "g/path_length",
             "g_seg_adv": "g/label", "d_seg_real_score": "dm/real_score",
             "d_seg_fake_score": "dm/fake_score"}
  loose = {"path": 5e-3, "g_seg_adv": 2e-2, "d_seg_real_score": 2e-2,
           "d_seg_fake_score": 2e-2}
  for key, name in metrics.items():
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
  s, e = case.manifest["settings"], golden.Errors(case)
  net = golden.network(case, form, 1).train()
  trainer = encoder.Trainer(net, golden.network(case, form), golden.lpips(case),
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
    noise = {long: [golden.tensor(case.inputs[k]) for k in sorted(
        case.inputs, key=lambda k: int(re.findall(r"\d+", k)[-1])
        if "noise" in k else -1) if k.startswith(f"it{i}_{short}_noise")]
             for long, short in (("unlabeled", "unlabel"),
                                 ("labeled", "label"))}
    logs = trainer.iteration({
        "unlabeled": {"image": golden.tensor(case.inputs[f"it{i}_img"])},
        "labeled": {"image": golden.tensor(case.inputs[f"it{i}_seg_img"]),
                    "label": golden.tensor(label.astype(np.int64))}}, noise)
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
  a, e = case.manifest["arguments"], golden.Errors(case)
  if a.get("no_noises") or (a.get("mean_init") and not a.get("w_plus")):
    raise NotImplementedError("inversion in W or without noise maps")
  net = golden.network(case, form).requires_grad_(form == "original")
  distance = golden.lpips(case)
  target = case.inputs["target_uint8"]
  target = target.reshape(*target.shape[:2], -1)
  target = golden.tensor(target).permute(2, 0, 1)[None] / 127.5 - 1
  o = inversion.Options(steps=a["step"])
  for name, field in (("lr", "learning_rate"), ("lr_rampup", "rampup"),
                      ("lr_rampdown", "rampdown")):
    if name in a:
      setattr(o, field, a[name])
  encode = None
  if a.get("mean_init"):
    d = case.manifest["mean_init_draw"]
    with torch.no_grad():
      mean = net.style(golden.tensor(golden.cases.base_draw(
          d["seed_name"], d["shape"]))).mean(0)
    start = mean.expand(1, net.num_ws, -1)
  else:
    encode = golden.network(case, form, 1)
    with torch.no_grad():
      start = encode(target)
    o.start, o.consistency = 0.0, 1e-3
  noise = [golden.tensor(case.inputs[f"noise_init_{i}"])
           for i in range(len(net.noise_shapes))]
  names = {int(m[1]): key for key in case.manifest["outputs"]
           if (m := re.fullmatch(r"latent_after_(\d+)", key))}
  latents, noise, logs, snapshots = inversion.search(
      inversion.Networks(net, distance, encode), target, start, noise, o,
      best=form == "best", snapshots_at=names)
  e.rows("loss", logs["total"][:, 0], first=1e-5, later=1e-3)
  e.rows("lpips", logs["perceptual"][:, 0], first=3e-3)
  e.rows("mse", logs["mse"][:, 0], first=1e-2)
  for step, key in names.items():
    e.add(key, snapshots[step], 1e-3 if step < 4 else 2e-2, by="rel_l2")
  e.add("latent_final", latents, 2e-2, by="rel_l2")
  for i, x in enumerate(noise):
    e.add(f"noise_final_{i}", x, 2e-2, by="rel_l2")
  with torch.no_grad():
    image, label = net(latents, noise)
  e.add("img_final", image.clamp(-1, 1), 2e-2, by="rel_l2")
  e.add("seg_final", label, 2e-2, by="rel_l2")
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
  e, s, entries = golden.Errors(case), case.manifest["setup"], case.state_dict()
  part = lambda mark: {
      k[2:]: v for k, v in entries.items() if k.startswith(mark)}
  net = golden.load(_Toy(entries), part("S/")).train()
  width, channels = entries["D/conv1.weight"].shape[:2]
  judge = golden.load(s4gan.Discriminator(
      channels, width=width, dropout=0.0), part("D/")).train()
  trainer = s4gan.Trainer(net, judge, s4gan.Options(
      s["steps"], s["lr"], s["lrd"], ignore=s["ign"],
      threshold=case.manifest["threshold_st"], borrowed_range=True),
      head="conv2.")
  inputs = list(case.manifest["inputs"].values())
  call = lambda text, i: golden.cases.evaluate(
      re.search(r"(normal_input|block_labels)\(.*?\)(?=\)|$)",
                text.replace("<i>", str(i)))[0])
  for i, want in enumerate(case.manifest["iterations"]):
    x_l, y_l, x_u, x_g, y_g = (call(text, i) for text in inputs)
    x_u = np.round(x_u)
    factor = np.arange(1, len(x_u) + 1, dtype=np.float32)
    x_u = np.round(x_u * factor[:, None, None, None] * np.float32(0.5))
    logs = trainer.iteration({
        "labeled": {"image": golden.tensor(np.round(x_l)),
                    "label": golden.tensor(y_l)},
        "unlabeled": {"image": golden.tensor(x_u)},
        "real": {"image": golden.tensor(np.round(x_g)),
                 "label": golden.tensor(y_g)}})
    for key, name in (("loss_ce", "s/cross_entropy"), ("loss_S", "s/loss"),
                      ("loss_fm", "s/feature_matching"), ("loss_D", "d/loss"),
                      ("loss_st", "s/self_training")):
      gap = abs(logs[name].item() - want[key]) / max(abs(want[key]), 1e-3)
      e.ratios[f"it{i}/{key}"] = gap / 1e-5
    e.add(f"it{i}/score_unlabelled", logs["score"].sigmoid()[:, None], 1e-4)
    e.add(f"it{i}/score_real", logs["real_score"].sigmoid()[:, None], 1e-4)
    e.add(f"it{i}/fm_features_unlabelled", logs["features"], 1e-4)
    e.add(f"it{i}/fm_features_real", logs["real_features"], 1e-4)
  for mark, module in (("S", net), ("D", judge)):
    for name, value in module.named_parameters():
      e.add(f"final/{mark}/{name}", value, 1e-4)
  return e
