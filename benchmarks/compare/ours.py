"""The cases in semseg_jax: `make(settings, root)` gives a `Program`.

Weights come through the importers of checkpoints; training steps and the
inversion are the library's own, with the random numbers that the peers get.
"""

import functools
import pathlib
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.compare import settings as settings_lib
from configs.semantic_gan import base
from configs.semisup import base as semisup
from semseg_jax import interop
from semseg_jax import inversion
from semseg_jax.data import datasets
from semseg_jax.methods import gan
from semseg_jax.methods.common import data
from semseg_jax.methods.common import joint_networks
from semseg_jax.methods.common import perceptual
from semseg_jax.methods.common import segmenter
from semseg_jax.methods.semantic_gan import encoder
from semseg_jax.methods.semisup import s4gan
from semseg_jax.models import efficientnet_lite
from semseg_jax.models import few_shot
from semseg_jax.ops import segmentation_losses


class Program(NamedTuple):
  """A case, not compiled yet.

  Attributes:
    lower: () -> {name: (lowered program, how often it runs in one run)}.
    start: {name: compiled} -> run; run() -> {name: array}, NHWC, all done;
      names with an underscore are not compared.
  """
  lower: Any
  start: Any


class Case:
  """Modules, variables and inputs of a case."""

  def __init__(self, s: settings_lib.Settings, root: pathlib.Path):
    self.s = s
    with np.load(root / "arrays.npz") as z:
      self.arrays = {k: z[k] for k in z.files}

  def network(self, name, kind, **options):
    """(module in the compute type, variables) of a peer's weights."""
    if kind not in interop.kinds():
      raise settings_lib.Unavailable(
          f"case {self.s.case!r} needs the importer of {kind!r}, which this "
          "checkout does not have")
    module, variables = interop.from_torch(kind, {
        k.removeprefix(f"{name}/"): v for k, v in self.arrays.items()
        if k.startswith(f"{name}/")}, **options)
    return module.clone(dtype=jnp.dtype(self.s.dtype)), jax.device_put(
        variables)

  def input(self, name):
    """An input in our layout, on the device."""
    x = self.arrays[f"in/{name}"]
    x = np.moveaxis(x, 1, -1) if x.ndim == 4 else x
    return jax.device_put(x.astype(np.int32) if x.dtype == np.int64 else x)

  def noise(self, call):
    count = sum(k.startswith(f"in/{call}/noise") for k in self.arrays)
    return tuple(self.input(f"{call}/noise{i}") for i in range(count))

  def config(self):
    """The published config with the sizes of the settings."""
    c, s = base.get_config(), self.s
    c.dtype = s.dtype
    c.data.update(
        name=datasets.BLANK, size=s.size, num_classes=s.classes, num_labeled=1)
    for network in (c.generator, c.image_discriminator):
      network.update(max_channels=s.width, channel_multiplier=2 * s.share)
    c.gan.update(batch_size=s.batch, steps=1_000)
    c.encoder.update(batch_size=s.batch, unlabeled_batch_size=s.batch)
    return c

  def perceptual(self):
    """(the distance, its variables)."""
    if self.s.perceptual == "lpips":
      module, variables = self.network("lpips", "lpips/vgg")
      return perceptual.from_module(module, None), variables
    _, variables = self.network("dr", "stylegan2/discriminator")
    return perceptual.discriminator_features(
        self.config(), None, "the benchmark"), variables


def make(s: settings_lib.Settings, root: pathlib.Path) -> Program:
  """The program of a case.

  Raises:
    Unavailable: this checkout lacks what the case needs.
  """
  if s.case == "input":
    return input_pipeline(s, root)
  return _CASES[s.case](Case(s, root))


def single(function, args, names) -> Program:
  """One jitted function of `args` whose results get `names`."""
  args = jax.device_put(args)

  def start(compiled):
    def run():
      outputs = jax.block_until_ready(compiled["program"](*args))
      return dict(zip(names, outputs, strict=True))
    return run

  return Program(
      lambda: {"program": (jax.jit(lambda *a: function(*a)).lower(*args), 1)},
      start)


def training(step, state, batch, rngs, phases, frozen=()) -> Program:
  """An iteration: the phases of a stage's training step, state donated."""
  batch, rngs, frozen = jax.device_put((batch, rngs, frozen))
  held = [jax.tree.map(jnp.copy, state)]  # No buffer may be donated twice.

  def named(phase):
    function = functools.partial(step, phase=phase)
    function.__name__ = phase  # So that a profiler can tell the programs apart.
    return function

  def lower():
    jitted = {p: jax.jit(named(p), donate_argnums=0) for p in phases}
    return {p: (f.lower(held[0], frozen, batch, rngs[p]), 1)
            for p, f in jitted.items()}

  def start(compiled):
    def run():
      logs = {}
      for p in phases:
        held[0], metrics = compiled[p](held[0], frozen, batch, rngs[p])
        logs |= metrics
      jax.block_until_ready((held[0], logs))
      return logs
    return run

  return Program(lower, start)


def generator(c):
  module, variables = c.network("g", "stylegan2/generator")

  def forward(variables, latents, noise):
    return module.apply(variables, latents, noise, method="synthesize")[0]

  return single(forward, (variables, c.input("latents"), c.noise("image")),
                ("image", "logits"))


def gan_iteration(c, regularised=False):
  (g, gv), (dm, dmv) = (c.network("g", "stylegan2/generator"),
                        c.network("dm", "semantic_gan/patch_discriminator"))
  config, frozen = c.config(), {}
  if c.s.case == "gan_projected":
    config.gan.path_length_weight = 0.0
    config.image_discriminator.update(
        kind="projected", feature_size=settings_lib.FEATURE_SIZE)
    modules = joint_networks.make(config)._replace(
        generator=g, patch_discriminator=dm)
    frozen, drv = _projected(c)
  else:
    dr, drv = c.network("dr", "stylegan2/discriminator")
    modules = joint_networks.Modules(g, dr, dm)
  stage = gan.make(config, None, modules=modules)
  state = jax.jit(stage.init)(jax.random.key(0), frozen).replace(
      generator=gv["params"], ema=gv["params"], noise=gv["noise"],
      image_discriminator=dict(drv), patch_discriminator=dict(dmv))
  numbers = lambda k: {"z": c.input(f"{k}/z"), "noise": c.noise(k),
                       "index": np.int32(g.num_ws // 2)}
  none = {f"augment_{k}": () for k in ("real", "fake", "pair", "fake_pair")}
  rngs = {"d": none | {"dr": numbers("dr"), "dm": numbers("dm")}, "r1": none,
          "g": none | {"g": numbers("g")},
          "path": none | {"path": numbers("path"),
                          "image_noise": c.input("path/image")}, "ema": none}
  phases = [p for p in stage.phases(0)
            if regularised or p not in ("r1", "path")]
  batch = {"unlabeled": {"image": c.input("unlabeled")},
           "labeled": {"image": c.input("labeled"),
                       "label": c.input("label")}}
  return training(
      stage.train_step, state, batch, rngs, phases, frozen)


def _projected(c):
  """(frozen features, variables of the heads) of a projected Dr."""
  entries = {k.removeprefix("features/"): v for k, v in c.arrays.items()
             if k.startswith("features/")}
  kernel = lambda x: jnp.asarray(np.transpose(x, (2, 3, 1, 0)))
  _, network = interop.from_torch("efficientnet_lite0", {
      k.removeprefix("network."): v for k, v in entries.items()
      if k.startswith("network.")})
  frozen = {"features": {
      "network": {k: v["backbone"] for k, v in network.items()},
      "projection": {"projection": {
          k.removesuffix(".weight"): kernel(v) for k, v in entries.items()
          if not k.startswith("network.")}}}}
  heads = {"params": {}, "spectral": {}}
  for key, x in c.arrays.items():
    if not key.startswith("heads/"):
      continue
    _, scale, layer, name = key.removeprefix("heads/").split(".")
    of = lambda kind, scale=scale, layer=layer: heads[kind].setdefault(
        f"scale{scale}", {}).setdefault(layer, {})
    if name == "weight_orig":
      of("params")["kernel"] = kernel(x)
    elif name == "bias":
      of("params")["bias"] = jnp.asarray(x)
    elif name == "weight_u":
      of("spectral")["u"] = jnp.asarray(x)
    elif name == "weight_v":
      shape = c.arrays[key.replace("weight_v", "weight_orig")].shape[1:]
      of("spectral")["v"] = jnp.asarray(x.reshape(shape).transpose(1, 2, 0))
  return jax.device_put((frozen, heads))


def encoder_iteration(c):
  (g, gv), (e, ev) = (c.network("g", "stylegan2/generator"),
                      c.network("e", "semantic_gan/fpn_encoder"))
  distance, variables = c.perceptual()
  stage = encoder.make(
      c.config(), None, modules=(g, e), perceptual=distance)
  frozen = {"generator": gv, "perceptual": variables}
  state = jax.jit(stage.init)(jax.random.key(0), frozen).replace(
      encoder=dict(ev), step=jnp.int32(0))
  batch = {"unlabeled": {"image": c.input("unlabeled")},
           "labeled": {"image": c.input("labeled"),
                       "label": c.input("label")}}

  return training(
      stage.train_step, state, batch,
      {k: {"noise": c.noise(k)} for k in batch}, ("unlabeled", "labeled"),
      frozen)


def invert(c):
  module, variables = c.network("g", "stylegan2/generator")
  distance, of_distance = c.perceptual()
  networks = inversion.Networks(
      num_ws=module.num_ws, noise_shapes=module.noise_shapes,
      generate=lambda v, latents, noise: module.apply(
          v["generator"], latents, noise, method="synthesize")[0],
      features=lambda v, x: distance.features(v["perceptual"], x),
      distance=lambda v, a, b: distance.distance(v["perceptual"], a, b))
  options = inversion.Options(steps=c.s.steps, start="mean")
  frozen = {"generator": variables, "perceptual": of_distance}
  args = (frozen, c.input("image"), np.arange(c.s.batch), jax.random.key(0))
  inverter = lambda: inversion.Inverter(networks, options, c.s.batch)

  def start(compiled):
    del compiled  # The inverter compiles its own; counted by `lower`.
    search = inverter()

    def run():
      result = search.run(*args, mean=c.input("mean"), noise=c.noise("image"))
      return {"latents": result.latents, "total": result.losses["total"]}
    return run

  return Program(lambda: {"step": (
      inverter().lower_step(*args, mean=c.input("mean")), c.s.steps)}, start)


def segment(c):
  module, variables = c.network("segmenter", "s4gan/deeplabv2")

  def forward(variables, image):
    return (module.apply(variables, image, train=False)[0],)

  return single(forward, (variables, c.input("image")), ("logits",))


def segment_gradient(c):
  module, variables = c.network("segmenter", "s4gan/deeplabv2")

  def gradient(variables, image, label):
    def loss(params):
      logits, _ = segmenter.apply(
          module, {**variables, "params": params}, image, train=False)
      return segmentation_losses.cross_entropy(
          logits, label, ignore_index=255)
    value, gradients = jax.value_and_grad(loss)(variables["params"])
    squares = jax.tree.map(lambda x: jnp.square(x).sum(), gradients)
    # All gradients are results, so that none is optimized away.
    return value, jnp.sqrt(sum(jax.tree.leaves(squares))), gradients

  return single(gradient, (variables, c.input("image"), c.input("label")),
                ("loss", "gradient_norm", "_gradients"))


def features(c):
  module, variables = c.network("efficientnet", "efficientnet_lite0")
  backbone = efficientnet_lite.EfficientNetLite(dtype=module.dtype)
  variables = {k: v["backbone"] for k, v in variables.items()}

  def forward(variables, image):
    def loss(image):
      last = backbone.apply(variables, image)[0].astype(jnp.float32)
      return jnp.square(last).mean(), last
    gradient, last = jax.grad(loss, has_aux=True)(image)
    return last, gradient

  return single(forward, (variables, c.input("image")),
                ("features", "gradient"))


def s4gan_iteration(c):
  config = semisup.get_config()
  config.dtype = c.s.dtype
  config.data.update(
      name=datasets.BLANK, size=c.s.size, num_classes=c.s.classes)
  config.s4gan.batch_size = c.s.batch
  (net, nv), (judge, jv) = (
      c.network("segmenter", "s4gan/deeplabv2"),
      c.network("judge", "s4gan/discriminator", dropout=0.0))
  stage = s4gan.make(config, None, modules=s4gan.Modules(
      net, judge, functools.partial(segmenter.groups, net)))
  state = jax.jit(stage.init)(jax.random.key(0), {}).replace(
      network=dict(nv), discriminator=jv["params"])
  batch = {"labeled": {"image": c.input("labeled"), "label": c.input("label")},
           "unlabeled": {"image": c.input("unlabeled")},
           "real": {"image": c.input("real"), "label": c.input("real_label")}}
  rngs = {"step": stage.rngs(jax.random.key(0), "step")}
  return training(stage.train_step, state, batch, rngs, ("step",))


def hypercolumn(c):
  g, gv = c.network("g", "stylegan2/generator")
  net, nv = c.network("few_shot", "repurpose_gan/cnn", size=c.s.size)
  names = few_shot.layer_names(g, first=8)

  def forward(gv, nv, latents, noise):
    _, maps = g.apply(gv, latents, noise, method="synthesize")
    return (net.apply(nv, tuple(maps[n] for n in names)),)

  return single(forward, (gv, nv, c.input("latents"), c.noise("image")),
                ("logits",))


def input_pipeline(s, root):
  config = base.get_config()
  config.data.update(
      name="folder", data_dir=str(root / "data"), size=s.size,
      num_classes=s.classes, num_labeled=-1, cache_dir=str(root / "cache"))
  config.data.augment.update(affine=0.0)

  def start(compiled):
    del compiled
    batches = data.train_batches(
        config, batch_size=s.batch, unlabeled_batch_size=0, start_step=0)

    def run():
      total = np.zeros(2)
      for _ in range(s.images // s.batch):
        batch = next(batches)["labeled"]
        total += [batch["image"].sum(), batch["label"].sum()]
      return {"image": total[0], "label": total[1]}
    return run

  return Program(dict, start)


_CASES = {
    "generator": generator, "gan": gan_iteration,
    "gan_regularised": functools.partial(gan_iteration, regularised=True),
    "gan_projected": gan_iteration, "encoder": encoder_iteration,
    "inversion": invert, "deeplab": segment,
    "deeplab_gradient": segment_gradient, "s4gan": s4gan_iteration,
    "efficientnet": features, "hypercolumn": hypercolumn}
