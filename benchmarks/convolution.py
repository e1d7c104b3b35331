r"""Forms of one 3x3 convolution: XLA's own, Winograd's, dilated ones.

Prints a table in Markdown: milliseconds and, in brackets, GFLOP/s by the FLOPs
of the plain sum, for the map, both gradients together and each alone.
The largest difference to XLA's own is relative to its largest value.

  python -m benchmarks.convolution --shape=4,64,256 --shape=1,41,256,2
"""

from absl import app
from absl import flags
import jax
from jax import lax
import jax.numpy as jnp
import numpy as np

from benchmarks import timing
from semseg_jax.cpu import dilated
from semseg_jax.cpu import startup
from semseg_jax.cpu import winograd

_SHAPES = flags.DEFINE_multi_string(
    "shape", ["4,64,128", "4,32,256", "1,64,512", "1,41,256,2", "1,41,512,4"],
    "Images, side, channels in and out, and the dilation if not 1.")
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Counted runs of each form.")
_DIMS = ("NHWC", "HWIO", "NHWC")


def plain(x, kernel, dilation):
  return lax.conv_general_dilated(
      x, kernel, (1, 1), ((dilation, dilation),) * 2,
      rhs_dilation=(dilation, dilation), dimension_numbers=_DIMS)


def forms(dilation):
  """{name: function of (map, kernel)}."""
  if dilation > 1:
    return {"plain": lambda x, k: plain(x, k, dilation)} | {
        name: lambda x, k, f=f: f(x, k, dilation) for name, f in (
            ("taps", dilated.by_taps), ("phases", dilated.by_phases))}
  return {"plain": lambda x, k: plain(x, k, 1)} | {
      f"winograd {tile}x{tile}": lambda x, k, tile=tile: winograd.correlate(
          x, k, 1, tile) for tile in (2, 4)}


def gradients(function):
  """Those of map and kernel, given the result's."""
  return lambda x, k, g: jax.vjp(function, x, k)[1](g)


def map_gradients():
  """{name: function of (gradient of the result, kernel)}, for dilation 1."""
  turned = lambda k: jnp.flip(k, (0, 1)).swapaxes(2, 3)
  return {
      "plain": lambda g, k: plain(g, turned(k), 1),
      "winograd 2x2": lambda g, k: winograd.input_gradient(g, k, 1),
      "winograd 2x2, kernel transposed": lambda g, k: winograd.correlate(
          g, lax.optimization_barrier(turned(k)), 1)}


def taps(x, g):
  """Kernel's gradient by a product for each shift of the map."""
  h, w = g.shape[1:3]
  x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
  return jnp.stack([jnp.stack([
      jnp.einsum("nhwi,nhwo->io", x[:, i:i + h, j:j + w], g)
      for j in range(3)]) for i in range(3)])


def kernel_gradients():
  """{name: function of (map, gradient of the result)}, for dilation 1."""
  return {"plain": lambda x, g: lax.conv_general_dilated(
      x, g, (1, 1), ((1, 1), (1, 1)),
      dimension_numbers=("CHWN", "IHWO", "HWNC")), "taps": taps} | {
          f"winograd {tile}x{tile}":
              lambda x, g, tile=tile: winograd.weight_gradient(x, g, 1, tile)
          for tile in (2, 4)}


def measure(functions, args, work):
  """{name: cell}: milliseconds (GFLOP/s), difference to the first."""
  programs, gaps, first = {}, {}, None
  for name, function in functions.items():
    program = jax.jit(function).lower(*args).compile()
    outputs = jax.tree.leaves(program(*args))
    first = first or outputs
    gaps[name] = max(float(jnp.abs(a - b).max() / jnp.abs(b).max())
                     for a, b in zip(outputs, first, strict=True))
    programs[name] = lambda f=program: jax.block_until_ready(f(*args))
  times = timing.interleave(programs, _ROUNDS.value)
  return {n: f"{t.median * 1e3:.1f} ({work / t.median / 1e9:.0f}), "
             f"{gaps[n]:.0e}" for n, t in times.items()}


def main(argv):
  if len(argv) > 1:
    raise app.UsageError(f"unknown argument {argv[1]!r}")
  print(f"XLA: {startup.apply()}\n")  # As train.py; JAX has not started yet.
  print("| images, side, channels, dilation | form | map | both gradients | "
        "map's gradient | kernel's gradient |\n|---|---|---|---|---|---|")
  rng = np.random.default_rng(0)
  normal = lambda *shape: rng.standard_normal(shape, np.float32)
  for shape in _SHAPES.value:
    n, side, channels, dilation = (*map(int, shape.split(",")), 1)[:4]
    x, g = normal(n, side, side, channels), normal(n, side, side, channels)
    kernel = normal(3, 3, channels, channels) / np.sqrt(9 * channels)
    args = jax.device_put((x, kernel, g))
    work = 18 * n * side**2 * channels**2
    columns = [measure(forms(dilation), args[:2], work)]
    if dilation > 1:
      columns += [measure({
          name: gradients(f) for name, f in forms(dilation).items()},
                        args, 2 * work), {}, {}]
    else:
      columns += [{}, measure(map_gradients(), (args[2], args[1]), work),
                  measure(kernel_gradients(), (args[0], args[2]), work)]
    for name in dict.fromkeys(name for column in columns for name in column):
      print(f"| {n}, {side}, {channels}, {dilation} | {name} | " + " | ".join(
          column.get(name, "") for column in columns) + " |", flush=True)


if __name__ == "__main__":
  app.run(main)
