r"""Memory and time of hypercolumns, channels mixed before they are resized.

The first layer of a few-shot segmenter on a generator's feature maps, "plain"
(resize every map, concatenate, convolve) and "projected"
(`ops.hypercolumn.convolve`): the compiler's temporary memory, time and the
largest difference of the outputs, for the value and for the gradient of the
layer's weights. Random maps of StyleGAN2's widths. Prints Markdown.

  python -m benchmarks.hypercolumn --pixels=64 --widest=64
  python -m benchmarks.hypercolumn --pixels=1024 --side=512 --repeats=0

With --repeats=0 the programs are compiled and not run: memory only. Outputs
that differ by more than 1e-5 of the largest value end it with an error.
"""

import sys

from absl import app
from absl import flags
import jax
import jax.numpy as jnp

from benchmarks import timing
from semseg_jax.models import few_shot
from semseg_jax.models import stylegan2
from semseg_jax.ops import conv
from semseg_jax.ops import hypercolumn

_PIXELS = flags.DEFINE_integer("pixels", 64, "Side of the images.")
_WIDEST = flags.DEFINE_integer("widest", 512, "Cap on the map's channels.")
_SIDE = flags.DEFINE_integer("side", 0, "Of the hypercolumn; 0 = pixels.")
_REPEATS = flags.DEFINE_integer("repeats", 5, "Runs of each case.")
_FEATURES = 128  # of the first layer
_TOLERANCE = 1e-5


def plain(maps, kernel, size, method):
  """The definition: the whole hypercolumn, then the convolution."""
  stacked = hypercolumn.stack(maps, size, method)
  return conv.conv2d(stacked, kernel, padding=kernel.shape[0] // 2)


FORMS = {"plain": plain, "projected": hypercolumn.convolve}


def shapes(pixels: int, widest: int):
  """[1, h, w, C] of the maps that the official code stacks."""
  table = dict(stylegan2.channel_table(pixels, max_channels=widest))
  names = few_shot.layer_names(stylegan2.Generator(size=pixels))
  sides = [int(n.removeprefix("conv").removesuffix("_up")) for n in names]
  return [(1, s, s, table[s]) for s in sides]


def programs(kernel_size: int, side: int, form: str):
  """{"value", "gradient"}: functions of (maps, kernel)."""
  method = "aligned" if kernel_size == 1 else "nearest"

  def value(maps, kernel):
    return FORMS[form](maps, kernel, (side, side), method)

  def gradient(maps, kernel):
    return jax.grad(lambda k: jnp.mean(jnp.square(value(maps, k))))(kernel)

  return {"value": value, "gradient": gradient}


def measure(pixels: int, widest: int, side: int, rounds: int) -> list[dict]:
  """A row per kernel size, program and form."""
  maps = [jax.ShapeDtypeStruct(s, jnp.float32) for s in shapes(pixels, widest)]
  channels = sum(m.shape[-1] for m in maps)
  rows = []
  for k in (1, 3):
    kernel = jax.ShapeDtypeStruct((k, k, channels, _FEATURES), jnp.float32)
    for what in ("value", "gradient"):
      compiled = {
          form: jax.jit(programs(k, side, form)[what]).lower(
              maps, kernel).compile() for form in FORMS}
      times, gap = _run(compiled, maps, kernel, rounds) if rounds else (
          {}, None)
      rows += [{
          "kernel": k, "program": what, "form": form,
          "bytes": c.memory_analysis().temp_size_in_bytes,
          "flops": timing.flops(c), "gap": gap,
          "seconds": times[form].median if times else None}
          for form, c in compiled.items()]
  return rows


def _run(compiled, maps, kernel, rounds):
  """({form: Timing}, largest difference over the largest value)."""
  keys = iter(jax.random.split(jax.random.key(0), len(maps) + 1))
  arrays = [jax.random.normal(next(keys), m.shape) for m in maps]
  # Outputs of unit variance.
  scale = (kernel.shape[0] ** 2 * kernel.shape[2]) ** -0.5
  weight = scale * jax.random.normal(next(keys), kernel.shape)
  run = lambda form: jax.block_until_ready(compiled[form](arrays, weight))
  times = timing.interleave(
      {form: lambda form=form: run(form) for form in compiled}, rounds)
  a, b = (run(form) for form in compiled)
  return times, float(jnp.abs(a - b).max() / jnp.abs(a).max())


def main(argv):
  del argv
  side = _SIDE.value or _PIXELS.value
  rows = measure(_PIXELS.value, _WIDEST.value, side, _REPEATS.value)
  channels = sum(s[-1] for s in shapes(_PIXELS.value, _WIDEST.value))
  print(f"{_PIXELS.value} px, {channels} channels at {side} x {side} to "
        f"{_FEATURES}, float32; {jax.default_backend()}, jax "
        f"{jax.__version__}; medians of {_REPEATS.value}\n\n"
        "| kernel | program | form | temporary MiB | GFLOP | ms | difference |"
        "\n|---|---|---|---|---|---|---|")
  for r in rows:
    shown = lambda x, text: "-" if x is None else format(x, text)
    print(f"| {r['kernel']} x {r['kernel']} | {r['program']} | {r['form']} | "
          f"{r['bytes'] / 2**20:.1f} | {r['flops'] / 1e9:.2f} | "
          f"{shown(r['seconds'] and 1e3 * r['seconds'], '.1f')} | "
          f"{shown(r['gap'], '.1e')} |")
  if any(r["gap"] is not None and not r["gap"] <= _TOLERANCE for r in rows):
    sys.exit(f"the forms differ by more than {_TOLERANCE}")


if __name__ == "__main__":
  app.run(main)
