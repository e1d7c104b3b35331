r"""Speed of batched inversion: images x steps a second, by batch size.

Random weights; the mean start in W+ with noise maps, LPIPS-VGG. Prints a table
in Markdown. A run counts whole: start, the target's features, the steps and
the fetching of the result.

  python -m benchmarks.inversion --size=32 --max_channels=64 --batches=1,4,16
"""

from absl import app
from absl import flags
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import timing
from semseg_jax import inversion
from semseg_jax.cpu import startup
from semseg_jax.models import perceptual
from semseg_jax.models import stylegan2

_SIZE = flags.DEFINE_integer("size", 64, "Height of the images.")
_MULTIPLIER = flags.DEFINE_float(
    "channel_multiplier", 2.0, "Scales the generator's widths from 64 px on.")
_CHANNELS = flags.DEFINE_integer(
    "max_channels", 512, "Cap on the generator's widths.")
_VGG = flags.DEFINE_float("vgg_width", 1.0, "Scales the widths of VGG-16.")
_LABELS = flags.DEFINE_integer("label_channels", 8, "Label logits.")
_STEPS = flags.DEFINE_integer("steps", 10, "Steps in one run.")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Runs of each batch size.")
_BATCHES = flags.DEFINE_list("batches", ["1", "4", "16", "64"], "Batch sizes.")
_DTYPE = flags.DEFINE_enum(
    "dtype", "float32", ["float32", "bfloat16"], "Compute type.")
_SEGMENT = flags.DEFINE_integer(
    "segment", None, "Steps in one jitted call; unset: as the platform likes.")

_VGG_WIDTHS = (64, 64, 128, 128, 256, 256, 256) + (512,) * 6


def networks():
  """(networks, variables) that the flags describe."""
  dtype = jnp.dtype(_DTYPE.value)
  generator = stylegan2.Generator(
      size=_SIZE.value, label_channels=_LABELS.value,
      channel_multiplier=_MULTIPLIER.value, max_channels=_CHANNELS.value,
      dtype=dtype)
  widths = tuple(max(1, int(w * _VGG.value)) for w in _VGG_WIDTHS)
  lpips = perceptual.LPIPS(widths=widths, dtype=dtype)
  keys = jax.random.split(jax.random.key(0))
  image = jnp.zeros((1, _SIZE.value, _SIZE.value, 3))
  frozen = dict(
      generator=jax.jit(generator.init)(
          keys[0], jnp.zeros((1, generator.style_dim))),
      perceptual=jax.jit(lpips.init)(keys[1], image, image))
  return inversion.Networks(
      num_ws=generator.num_ws,
      noise_shapes=generator.noise_shapes,
      generate=lambda v, latents, noise: generator.apply(
          v["generator"], latents, noise, method="synthesize")[0],
      features=lambda v, image: lpips.apply(
          v["perceptual"], image, method="features"),
      distance=lambda v, a, b: lpips.apply(
          v["perceptual"], a, b, method="distance")), frozen


def main(argv):
  del argv
  print(f"XLA: {startup.apply()}\n")  # As eval.py; JAX has not started yet.
  nets, frozen = networks()
  options = inversion.Options(
      steps=_STEPS.value, start="mean", segment=_SEGMENT.value)
  key, mean = jax.random.key(1), np.zeros(512, np.float32)
  cases, counts = {}, {}
  for batch in map(int, _BATCHES.value):
    target = np.random.default_rng(0).uniform(
        -1, 1, (batch, _SIZE.value, _SIZE.value, 3)).astype(np.float32)
    inverter = inversion.Inverter(nets, options, batch)
    args = frozen, target, np.arange(batch), key
    counts[batch] = timing.flops(
        inverter.lower_step(*args, mean=mean).compile())
    cases[batch] = lambda run=inverter.run, args=args: run(*args, mean=mean)

  device = jax.devices()[0]
  print(f"{_SIZE.value} px, widths <= {_CHANNELS.value} x "
        f"{_MULTIPLIER.value}, VGG x {_VGG.value}, {_DTYPE.value}, "
        f"{_STEPS.value} steps; {device.device_kind}, jax {jax.__version__}\n")
  print("| batch | ms a step | images x steps / s | GFLOP a step and image "
        "| GFLOP/s |\n|---|---|---|---|---|")
  for batch, time in timing.interleave(cases, _ROUNDS.value).items():
    step = time.median / max(_STEPS.value, 1)
    print(f"| {batch} | {step * 1e3:.1f} | {batch / step:.1f} "
          f"| {counts[batch] / batch / 1e9:.2f} "
          f"| {counts[batch] / step / 1e9:.0f} |")


if __name__ == "__main__":
  app.run(main)
