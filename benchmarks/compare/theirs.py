"""The cases in PyTorch: `make(settings, root, side)` gives a function to time.

Both forms get the same weights and inputs as semseg_jax.
"""

import functools
import pathlib

import numpy as np
from PIL import Image
import torch
from torch.nn import functional as F

from benchmarks.compare import prepare
from benchmarks.peers import deeplab
from benchmarks.peers import encoder
from benchmarks.peers import gan
from benchmarks.peers import inversion
from benchmarks.peers import perceptual
from benchmarks.peers import s4gan


def device() -> torch.device:
  return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Case:
  """Networks and inputs of a case on the device, in a side's form."""

  def __init__(self, s, root, side):
    self.s, self.best = s, side != "original"
    self.form = "best" if self.best else "original"
    self.layout = torch.channels_last if self.best else torch.contiguous_format
    compiled = side == "best_compiled"
    self.compiled = torch.compile if compiled else lambda f: f
    enabled = self.best and s.dtype == "bfloat16"
    self.autocast = functools.partial(
        torch.autocast, device().type, torch.bfloat16, enabled=enabled)
    with np.load(root / "arrays.npz") as z:
      self.arrays = {k: z[k] for k in z.files}
    self.nets = prepare.networks(s, self.form)
    for name, net in self.nets.items():
      own = {k.removeprefix(f"{name}/"): torch.from_numpy(v)
             for k, v in self.arrays.items() if k.startswith(f"{name}/")}
      net.load(own) if name == "lpips" else net.load_state_dict(own)
      net.to(device())
      for p in net.parameters():
        if p.ndim == 4:
          p.data = p.data.contiguous(memory_format=self.layout)

  def input(self, name):
    x = torch.from_numpy(self.arrays[f"in/{name}"]).to(device())
    if x.ndim == 4:
      x = x.contiguous(memory_format=self.layout)
    return x

  def noise(self, name):
    keys = [k for k in self.arrays if k.startswith(f"in/{name}/noise")]
    return [self.input(f"{name}/noise{i}") for i in range(len(keys))]

  def perceptual(self):
    net = self.nets["lpips"] if self.s.perceptual == "lpips" else (
        perceptual.DiscriminatorFeatures(self.nets["dr"]))
    net.features = self.compiled(net.features)
    return net


def make(s, root: pathlib.Path, side: str):
  """() -> {name: tensor}; not synchronised."""
  if s.case == "input":
    return input_pipeline(s, root, side)
  return _CASES[s.case](Case(s, root, side))


def generator(c):
  net = c.compiled(c.nets["g"].requires_grad_(False).eval())
  latents, noise = c.input("latents"), c.noise("image")

  def run():
    with torch.no_grad(), c.autocast():
      image, label = net(latents, noise)
    return {"image": image, "logits": label}
  return run


def gan_iteration(c, regularised=False):
  dm = c.nets["dm"].train()
  projected = "heads" in c.nets
  dr = c.nets["heads"].train() if projected else c.nets["dr"]
  options = gan.Options(path_every=0) if projected else gan.Options()
  trainer = gan.Trainer(
      c.nets["g"], dr, dm, options, fused=c.best, autocast=c.autocast,
      compiled=c.compiled, features=c.nets.get("features"))
  index = c.nets["g"].num_ws // 2
  rngs = {k: {"z": c.input(f"{k}/z"), "index": index, "noise": c.noise(k)}
          for k in ("dr", "dm", "g", "path")}
  rngs["image_noise"] = c.input("path/image")
  label = F.one_hot(c.input("label"), c.s.classes)
  label = label[..., 1:] if c.s.labels == 1 else label
  label = (2.0 * label - 1).permute(0, 3, 1, 2)
  batch = {"unlabeled": c.input("unlabeled"), "labeled": c.input("labeled"),
           "label": label.contiguous(memory_format=c.layout)}
  return lambda: trainer.iteration(
      batch, rngs, r1=regularised, path=regularised)


def encoder_iteration(c):
  trainer = encoder.Trainer(
      c.nets["e"].train(), c.nets["g"], c.perceptual(), encoder.Options(),
      autocast=c.autocast, compiled=c.compiled)
  batch = {"unlabeled": {"image": c.input("unlabeled")},
           "labeled": {"image": c.input("labeled"),
                       "label": c.input("label")}}
  noise = {k: c.noise(k) for k in batch}
  return lambda: trainer.iteration(batch, noise)


def invert(c):
  net = c.nets["g"]
  # The official code leaves the generator's weights to be differentiated.
  net.requires_grad_(not c.best)
  nets = inversion.Networks(c.compiled(net), c.perceptual())
  options = inversion.Options(steps=c.s.steps)
  target, noise = c.input("image"), c.noise("image")
  start = c.input("mean").expand(c.s.batch, net.num_ws, -1)

  def run():
    if c.best:
      search = inversion.search(nets, target, start, noise, options, best=True,
                                autocast=c.autocast)
    else:
      search = inversion.one_at_a_time(nets, target, start, noise, options)
    net.zero_grad()
    return {"latents": search[0], "total": search[2]["total"]}
  return run


def segment(c):
  net = c.nets["segmenter"].eval()
  forward, image = c.compiled(net), c.input("image")

  def run():
    with torch.no_grad(), c.autocast():
      return {"logits": forward(image).float()}
  return run


def segment_gradient(c):
  net = c.nets["segmenter"].eval()  # Running statistics.
  forward, image = c.compiled(net), c.input("image")
  label = c.input("label")

  def run():
    net.zero_grad()
    with c.autocast():
      logits = forward(image)
    loss = F.cross_entropy(deeplab.enlarge(logits, image.shape[2:]), label)
    loss.backward()
    return {"loss": loss, "gradient_norm": torch.nn.utils.get_total_norm(
        [p.grad for p in net.parameters() if p.grad is not None])}
  return run


def features(c):
  net = c.nets["efficientnet"].eval().requires_grad_(not c.best)
  forward, image = c.compiled(net), c.input("image")

  def run():
    net.zero_grad()
    x = image.clone().requires_grad_()
    with c.autocast():
      last = forward(x)[-1]
    last.float().square().mean().backward()
    return {"features": last.float(), "gradient": x.grad}
  return run


def s4gan_iteration(c):
  trainer = s4gan.Trainer(
      c.nets["segmenter"].train(), c.nets["judge"].train(), s4gan.Options(),
      autocast=c.autocast, compiled=c.compiled)
  batch = {"labeled": {"image": c.input("labeled"), "label": c.input("label")},
           "unlabeled": {"image": c.input("unlabeled")},
           "real": {"image": c.input("real"), "label": c.input("real_label")}}

  def run():
    logs = trainer.iteration(batch)
    return {k: v for k, v in logs.items() if k.startswith(("s/", "d/"))}
  return run


def hypercolumn(c):
  def logits(latents, noise):
    maps = c.nets["g"].features(latents, noise)[2][1:]
    return c.nets["few_shot"](maps)

  forward = c.compiled(logits)
  latents, noise = c.input("latents"), c.noise("image")

  def run():
    with torch.no_grad(), c.autocast():
      return {"logits": forward(latents, noise).float()}
  return run


class _Images(torch.utils.data.Dataset):
  """Images and masks, flipped at random; "best" decodes each once."""

  def __init__(self, root, best):
    self.images = sorted((root / "images").iterdir())
    self.masks = sorted((root / "masks").iterdir())
    self.decoded = {} if best else None

  def __len__(self):
    return len(self.images)

  def __getitem__(self, i):
    pair = (self.decoded or {}).get(i)
    if pair is None:
      pair = [np.array(Image.open(p[i])) for p in (self.images, self.masks)]
      if self.decoded is not None:
        self.decoded[i] = pair
    if torch.rand(()) < 0.5:
      pair = [x[:, ::-1] for x in pair]
    image, mask = (torch.from_numpy(np.ascontiguousarray(x)) for x in pair)
    return image.permute(2, 0, 1), mask.int()


def input_pipeline(s, root, side):
  best = side != "original"
  loader = torch.utils.data.DataLoader(
      _Images(root / "data", best), s.batch, shuffle=True, drop_last=True,
      num_workers=0)

  def run():
    total = [0, 0]
    for image, label in loader:
      total = [total[0] + int(image.sum()), total[1] + int(label.sum())]
    return {"image": torch.tensor(float(total[0])),
            "label": torch.tensor(float(total[1]))}
  return run


_CASES = {
    "generator": generator, "gan": gan_iteration,
    "gan_regularised": functools.partial(gan_iteration, regularised=True),
    "gan_projected": gan_iteration, "encoder": encoder_iteration,
    "inversion": invert, "deeplab": segment,
    "deeplab_gradient": segment_gradient, "s4gan": s4gan_iteration,
    "efficientnet": features, "hypercolumn": hypercolumn}
