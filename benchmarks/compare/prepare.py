"""Random weights and inputs of a case, the same for all sides (PyTorch)."""

import pathlib

import numpy as np
from PIL import Image
import torch

from benchmarks.compare import settings as settings_lib
from benchmarks.peers import deeplab
from benchmarks.peers import efficientnet
from benchmarks.peers import few_shot
from benchmarks.peers import fpn_encoder
from benchmarks.peers import patch
from benchmarks.peers import perceptual
from benchmarks.peers import projected
from benchmarks.peers import s4gan
from benchmarks.peers import stylegan2


def networks(s: settings_lib.Settings, form: str = "original"):
  """{name: network} of a case, with PyTorch's random weights."""
  channels = stylegan2.widths(s.size, 2 * s.share, s.width) if (
      s.size & (s.size - 1)) == 0 else {}
  make = {
      "g": lambda: stylegan2.Generator(
          s.size, label_channels=s.labels if s.case != "hypercolumn" else 0,
          channels=channels, form=form),
      "dr": lambda: stylegan2.Discriminator(
          s.size, channels=channels, form=form),
      "dm": lambda: patch.PatchDiscriminator(3 + s.labels, width=s.narrow),
      "e": lambda: fpn_encoder.FPNEncoder(
          2 * len(channels), width=s.narrow, channels=s.width,
          head_channels=s.width, head_convs=s.head_convs),
      "lpips": lambda: perceptual.LPIPS(tuple(
          max(4, int(w * s.vgg)) for w in perceptual.WIDTHS)),
      "segmenter": lambda: deeplab.DeepLabV2(s.classes, width=s.narrow),
      "judge": lambda: s4gan.Discriminator(
          3 + s.classes, width=s.narrow, dropout=0.0),
      "efficientnet": efficientnet.EfficientNetLite0,
      "features": lambda: projected.Projection(settings_lib.FEATURE_SIZE),
      "heads": lambda: projected.Discriminator(settings_lib.FEATURE_SIZE),
      "few_shot": lambda: few_shot.FewShot(
          2 * sum(w for r, w in channels.items() if r > 4), s.classes,
          size=s.size, form=form)}
  distance = {"lpips": "lpips", "dr": "dr"}[s.perceptual]
  needed = {
      "generator": ("g",), "gan": ("g", "dr", "dm"),
      "gan_regularised": ("g", "dr", "dm"),
      "gan_projected": ("g", "features", "heads", "dm"),
      "efficientnet": ("efficientnet",),
      "encoder": ("e", "g", distance), "inversion": ("g", distance),
      "deeplab": ("segmenter",), "deeplab_gradient": ("segmenter",),
      "s4gan": ("segmenter", "judge"), "hypercolumn": ("g", "few_shot"),
      "input": ()}[s.case]
  return {name: make[name]() for name in needed}


def entries(name, network):
  """A network's state dict under its original's names."""
  return network.entries() if name == "lpips" else network.state_dict()


def arrays(s: settings_lib.Settings) -> dict[str, np.ndarray]:
  """Weights "<network>/<entry>" and inputs "in/<name>", NCHW."""
  torch.manual_seed(0)
  nets = networks(s)
  weights = {}
  for name, net in nets.items():
    with torch.no_grad():
      for key, p in net.named_parameters():
        if key.endswith("noise.weight"):
          p.fill_(0.1)
        # Weights with which signals neither vanish nor grow: outputs that are
        # all bias would agree whatever was computed.
        if p.ndim == 4 and (name == "lpips" and "features_" in key or
                            name == "segmenter" and "layer5" not in key or
                            name in ("efficientnet", "features")):
          torch.nn.init.kaiming_normal_(p)
        if name == "segmenter" and key.endswith("bn3.weight"):
          p.fill_(0.2)
    weights |= {f"{name}/{k}": v.numpy() for k, v in entries(name, net).items()}
  rng = np.random.default_rng(0)
  normal = lambda *shape: rng.standard_normal(shape, np.float32)
  image = lambda: rng.uniform(
      -1, 1, (s.batch, 3, s.size, s.size)).astype(np.float32)
  label = lambda: rng.integers(
      0, s.classes, (s.batch, s.size, s.size)).astype(np.int64)
  inputs = {k: image() for k in ("image", "labeled", "unlabeled", "real")}
  inputs |= {k: label() for k in ("label", "real_label")}
  if "g" in nets:
    g = nets["g"]
    inputs["latents"] = normal(s.batch, g.num_ws, 512)
    inputs["mean"] = normal(512)
    for call in ("dr", "dm", "g", "path", "labeled", "unlabeled", "image"):
      n = max(1, s.batch // 2) if call == "path" else s.batch
      inputs[f"{call}/z"] = normal(2, n, 512)
      for i, shape in enumerate(g.noise_shapes):
        inputs[f"{call}/noise{i}"] = normal(n, 1, *shape)
    inputs["path/image"] = normal(max(1, s.batch // 2), 3, s.size, s.size)
  return weights | {f"in/{k}": v for k, v in inputs.items()}


def folder(s: settings_lib.Settings, root: pathlib.Path):
  """A data set in our layout for the case "input"."""
  rng = np.random.default_rng(0)
  for name in ("images", "masks", "splits"):
    (root / name).mkdir(parents=True)
  names = [f"{i:05d}" for i in range(s.images)]
  for name in names:
    coarse = rng.integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(coarse).resize((s.size, s.size)).save(
        root / "images" / f"{name}.jpg", quality=95)
    Image.fromarray(rng.integers(0, s.classes, (
        s.size, s.size), np.uint8)).save(root / "masks" / f"{name}.png")
  (root / "splits/train_labeled.txt").write_text("\n".join(names) + "\n")
  colors = [[i, i, i] for i in range(s.classes)]
  text = {"classes": [f"class {i}" for i in range(s.classes)],
          "colours": colors}
  (root / "classes.json").write_text(str(text).replace("'", '"'))


def main(s: settings_lib.Settings, root: pathlib.Path):
  """Writes what the sides read below `root`."""
  if s.case == "input":
    folder(s, root / "data")
  else:
    np.savez(root / "arrays.npz", **arrays(s))
