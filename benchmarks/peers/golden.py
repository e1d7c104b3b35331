"""The golden vectors as the checks of the peers read them."""

import importlib.util
import pathlib

import numpy as np
import torch

from benchmarks.peers import fpn_encoder
from benchmarks.peers import patch
from benchmarks.peers import perceptual
from benchmarks.peers import stylegan2

ROOT = pathlib.Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location(
    "golden_cases", ROOT / "tests/golden/cases.py")
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
    self.case, self.ratios = case, {}

  def add(self, key, got, tolerance, *, by="error"):
    """Compares an output of the case, if it has it."""
    keys = self.case.manifest.get("outputs", self.case.arrays)
    if key in keys:
      got = got.detach().numpy() if torch.is_tensor(got) else np.asarray(got)
      self.ratios[key] = getattr(self.case, by)(key, got) / tolerance

  def rows(self, key, got, *, first, later=None):
    """Compares a value of each iteration, relative to it."""
    want = self.case.expected(key).astype(np.float64)
    gap = np.abs(np.asarray(got) - want) / np.maximum(np.abs(want), 1e-2)
    tolerance = np.full(len(want), later or first)
    tolerance[:1] = first
    self.ratios[key] = float((gap.reshape(len(want), -1).max(1)
                              / tolerance).max())


def network(case, form, index=0):
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
        num_ws=k.get("n_latent", 0), form=form)
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


def lpips(case):
  entries = case.state_dict("vgg") | case.state_dict("lin")
  return perceptual.LPIPS().load({k: tensor(v) for k, v in entries.items()})
