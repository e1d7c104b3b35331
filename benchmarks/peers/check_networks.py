"""Checks of single networks: (golden case, form) -> errors."""

import re

import numpy as np
import torch

from benchmarks.peers import deeplab
from benchmarks.peers import few_shot
from benchmarks.peers import golden
from benchmarks.peers import s4gan
from benchmarks.peers import stylegan2


def generator(case, form):
  net, e = golden.network(case, form), golden.Errors(case)
  inputs = {k: golden.tensor(v) for k, v in case.inputs.items()}
  repeat = lambda w: w[:, None].expand(-1, net.num_ws, -1)
  w = net.style(inputs["z"])
  e.add("w", w, 3e-4)
  latents = {"z": repeat(w)}
  if "mean_latent" in inputs:
    mean = inputs["mean_latent"]
    latents["trunc"] = repeat(mean + case.manifest["truncation"] * (w - mean))
  if "z2" in inputs:
    latents["mix"] = stylegan2.mix(w, net.style(
        inputs["z2"]), case.manifest["inject_index"], net.num_ws)
  if "wplus" in inputs:
    latents["wplus"] = inputs["wplus"].requires_grad_()
  for mode, c in latents.items():
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
  net, e = golden.network(case, form), golden.Errors(case)
  for key, x in case.inputs.items():
    mark = key.removeprefix("x")
    size = case.manifest["networks"][0]["kwargs"]["size"]
    x = golden.tensor(x).repeat_interleave(size // x.shape[-1], 2)
    x = x.repeat_interleave(size // x.shape[-1], 3).requires_grad_()
    output = net(x)
    e.add(f"logit{mark}", output, 1e-4)
    e.add("styles", output, 1e-4)
    if net.num_ws:
      e.add("styles_first_alone", net(x[:1]), 1e-4)
    else:
      e.add(f"gx{mark}", torch.autograd.grad(output.sum(), x)[0], 1e-4)
    for i, y in enumerate(net.features(x)):
      e.add(f"feat{mark}/convs.{i}", y, 1e-4)
  return e


def patches(case, form):
  net, e = golden.network(case, form), golden.Errors(case)
  x = golden.tensor(case.inputs["x"]).requires_grad_()

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
  net, e = golden.network(case, form), golden.Errors(case)
  x = golden.tensor(case.inputs.get("x_small", case.inputs.get("x")))
  repeat = 256 // x.shape[-1]
  x = x.repeat_interleave(repeat, 2).repeat_interleave(repeat, 3)
  with torch.no_grad():
    for name, y in zip(("p4", "p3", "p2"), net.FPN_module(x), strict=True):
      e.add(f"eval/{name}", y, 5e-4)
    e.add("eval/styles", net(x), 5e-4)
    e.add("train/styles", net.train()(x), 5e-4)
  return e


def lpips(case, form):
  net, e = golden.lpips(case), golden.Errors(case)
  pred, target = (golden.tensor(case.inputs[k]) for k in ("pred", "target"))
  pred.requires_grad_()
  a, b = net.features(pred), net.features(target)
  distance = net.distance(a, b)
  e.add("distance", distance[:, None, None, None], 1e-4)
  e.add("per_layer_1to4", net.layer_distances(a, b)[:, 1:], 1e-4)
  e.add("g_pred", torch.autograd.grad(distance.sum(), pred)[0], 1e-3,
        by="rel_l2")
  return e


def deeplabv2(case, form):
  del form
  e = golden.Errors(case)
  classes = case.manifest["networks"][0]["kwargs"]["num_classes"]
  net = golden.load(deeplab.DeepLabV2(classes), case.state_dict())
  with torch.no_grad():
    for key in case.arrays:
      if not re.fullmatch(r"x(\d+|_train)", key):
        continue
      mark = key.removeprefix("x")
      x = golden.tensor(case.input(key).astype(np.float32))
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
  e = golden.Errors(case)
  width, channels = case.manifest["entries"]["conv1.weight"]["shape"][:2]
  net = golden.load(
      s4gan.Discriminator(channels, width=width), case.state_dict())
  image = case.input("image_low").repeat(8, 2).repeat(8, 3)
  labels = case.draw("labels")
  image = golden.tensor(image[:, :, :labels.shape[1], :labels.shape[2]])
  image = image.float() / 255
  classes = channels - image.shape[1]
  low = golden.tensor(case.draw("logits_low"))
  soft = deeplab.enlarge(low, image.shape[2:]).softmax(1)
  real = golden.tensor(golden.cases.one_hot_nchw(labels, classes))
  for name, maps in (("real", real), ("fake", soft)):
    score, features = net(torch.cat([maps, image], 1))
    e.add(f"{name}_score", score.sigmoid()[:, None], 1e-5)
    e.add(f"{name}_features", features[:, :, None, None], 1e-4)
  return e


def few_shot_cnn(case, form):
  e = golden.Errors(case)
  entries = case.state_dict()
  x = golden.tensor(case.draw("x"))
  net = few_shot.FewShot(x.shape[1], len(entries["conv9.bias"]),
                         size=x.shape[2], form=form)
  # Two maps instead of one: the stack is the case's input.
  with torch.no_grad():
    golden.load(net, entries)
    e.add("logits", net(x.split([40, x.shape[1] - 40], 1)), 1e-4)
  return e
