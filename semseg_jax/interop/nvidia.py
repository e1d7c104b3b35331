"""StyleGAN2 networks under the names of NVIDIA's PyTorch projects.

stylegan2-ada and stylegan3's StyleGAN2 configurations name their entries
`synthesis.b8.conv0.weight`; the numbers are those of the common PyTorch code,
up to axes of length 1. `renamed` brings them under the latter's names.
"""

from collections.abc import Mapping
import re

import numpy as np

_ARCHITECTURE = (
    "only StyleGAN2's own architecture, skip connections in the generator and "
    "residual blocks in the discriminator, is read")


def recognises(names) -> bool:
  """Whether a state dict's names are NVIDIA's, of either network."""
  names = set(names)
  return any(re.match(r"synthesis\.(b\d+|L\d+|input)[._]", n) for n in names
             ) or {"b4.fc.weight", "b4.out.weight"} <= names


def renamed(kind: str, entries: Mapping[str, np.ndarray]
            ) -> dict[str, np.ndarray]:
  """NVIDIA's entries under the common names.

  Args:
    kind: "stylegan2/generator" or "stylegan2/discriminator".
    entries: for which `recognises` holds. What is not the network's is left
      under its own name.

  Raises ValueError: a conditional network, StyleGAN3's own generator, another
  architecture, or another kind.
  """
  if kind not in ("stylegan2/generator", "stylegan2/discriminator"):
    raise ValueError(
        f"{kind}: the entries are those of NVIDIA's StyleGAN2; use the kind "
        "stylegan2/generator or stylegan2/discriminator")
  if any(re.match(r"synthesis\.(L\d+_|input\.)", n) for n in entries):
    raise ValueError(
        f"{kind}: StyleGAN3's own generator (stylegan3-t or -r); of that "
        "project the stylegan2 configurations are read alone")
  if kind == "stylegan2/generator":
    return _generator(kind, dict(entries))
  return _discriminator(kind, dict(entries))


def _generator(kind, left):
  if not any(n.startswith("synthesis.") for n in left):
    raise ValueError(
        f"{kind}: the entries are a discriminator's; its kind is "
        "stylegan2/discriminator")
  _refuse_conditional(kind, left, "mapping.embed.")
  sides = _sides(left, r"synthesis\.b(\d+)\.")
  if any(f"synthesis.b{r}.torgb.weight" not in left for r in sides):
    raise ValueError(
        f"{kind}: NVIDIA's layout, but an entry 'synthesis.b*.torgb.weight' is "
        f"missing; {_ARCHITECTURE}")
  out = {}

  def take(name, new, change=lambda x: x):
    if name in left:
      out[new] = change(np.asarray(left.pop(name)))

  def conv(theirs, ours, noise):
    take(f"{theirs}.weight", f"{ours}.conv.weight", lambda x: x[None])
    for part in ("weight", "bias"):
      take(f"{theirs}.affine.{part}", f"{ours}.conv.modulation.{part}")
    take(f"{theirs}.bias", f"{ours}.activate.bias")
    take(f"{theirs}.noise_strength", f"{ours}.noise.weight",
         lambda x: x.reshape(1))
    take(f"{theirs}.noise_const", f"noises.noise_{noise}",
         lambda x: x[None, None])

  take("synthesis.b4.const", "input.input", lambda x: x[None])
  for i in range(_count(left, r"mapping\.fc(\d+)\.")):
    for part in ("weight", "bias"):
      take(f"mapping.fc{i}.{part}", f"style.{i + 1}.{part}")
  take("mapping.w_avg", "latent_avg")
  taps = _taps(left)
  for j, side in enumerate(sides):
    block = f"synthesis.b{side}"
    if j:
      conv(f"{block}.conv0", f"convs.{2 * j - 2}", 2 * j - 1)
      out[f"convs.{2 * j - 2}.conv.blur.kernel"] = 4 * taps
      out[f"to_rgbs.{j - 1}.upsample.kernel"] = 4 * taps
    conv(f"{block}.conv1", f"convs.{2 * j - 1}" if j else "conv1", 2 * j)
    head = f"to_rgbs.{j - 1}" if j else "to_rgb1"
    take(f"{block}.torgb.weight", f"{head}.conv.weight", lambda x: x[None])
    for part in ("weight", "bias"):
      take(f"{block}.torgb.affine.{part}", f"{head}.conv.modulation.{part}")
    take(f"{block}.torgb.bias", f"{head}.bias",
         lambda x: x.reshape(1, -1, 1, 1))
  return out | left


def _discriminator(kind, left):
  if any(n.startswith("synthesis.") for n in left):
    raise ValueError(
        f"{kind}: the entries are a generator's; its kind is "
        "stylegan2/generator")
  _refuse_conditional(kind, left, "mapping.")
  sides = _sides(left, r"b(\d+)\.")[::-1]
  if any(f"b{r}.skip.weight" not in left for r in sides[:-1]):
    raise ValueError(
        f"{kind}: NVIDIA's layout, but an entry 'b*.skip.weight' is missing; "
        f"{_ARCHITECTURE}")
  out = {}
  taps = _taps(left)

  def take(name, new):
    if name in left:
      out[new] = np.asarray(left.pop(name))

  take(f"b{sides[0]}.fromrgb.weight", "convs.0.0.weight")
  take(f"b{sides[0]}.fromrgb.bias", "convs.0.1.bias")
  for i, side in enumerate(sides[:-1]):
    block, name = f"b{side}", f"convs.{i + 1}"
    take(f"{block}.conv0.weight", f"{name}.conv1.0.weight")
    take(f"{block}.conv0.bias", f"{name}.conv1.1.bias")
    take(f"{block}.conv1.weight", f"{name}.conv2.1.weight")
    take(f"{block}.conv1.bias", f"{name}.conv2.2.bias")
    take(f"{block}.skip.weight", f"{name}.skip.1.weight")
    out[f"{name}.conv2.0.kernel"] = out[f"{name}.skip.0.kernel"] = taps
  take("b4.conv.weight", "final_conv.0.weight")
  take("b4.conv.bias", "final_conv.1.bias")
  for i, theirs in enumerate(("fc", "out")):
    for part in ("weight", "bias"):
      take(f"b4.{theirs}.{part}", f"final_linear.{i}.{part}")
  return out | left


def _refuse_conditional(kind, entries, prefix):
  if any(n.startswith(prefix) for n in entries):
    raise ValueError(
        f"{kind}: entries {prefix}*: a network that is conditional on class "
        "labels, which is not supported; use an unconditional one")


def _sides(entries, pattern):
  sides = sorted({int(m[1]) for n in entries if (m := re.match(pattern, n))})
  whole = [4 << i for i in range(len(sides))]
  if not sides or sides != whole:
    raise ValueError(
        f"NVIDIA's StyleGAN2 with blocks of sides {sides}; expected 4, 8, 16, "
        "... without a gap")
  return sides


def _count(entries, pattern):
  return max((int(m[1]) + 1 for n in entries if (m := re.match(pattern, n))),
             default=0)


def _taps(left):
  """Takes all resampling filters; they have to be one."""
  names = [n for n in left if n.endswith("resample_filter")]
  filters = [np.asarray(left.pop(n)) for n in names]
  if not filters:
    return np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64
  for name, taps in zip(names, filters, strict=True):
    if taps.shape != filters[0].shape or not np.allclose(taps, filters[0]):
      raise ValueError(f"entry {name!r} is another filter than {names[0]!r}")
  taps = filters[0]
  return np.outer(taps, taps) if taps.ndim == 1 else taps
