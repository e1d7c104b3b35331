r"""Checks a PyTorch checkpoint and writes it as a safetensors file.

  python -m semseg_jax.cli.convert --kind=semantic_gan/fpn_encoder \
      --input=checkpoint.pt:e --output=encoder.safetensors
  python -m semseg_jax.cli.convert --kind=lpips/vgg \
      --input=vgg16.pth --input=vgg_lin.pth --output=lpips_vgg.safetensors

PyTorch is not needed and no code in the checkpoint is run. The file has the
original names; `semseg_jax.interop.load` turns it into a module and variables.
SemanticGAN's keys: g_ema and g are stylegan2/generator, d_img
stylegan2/discriminator, d_seg semantic_gan/patch_discriminator, e one of the
encoders. Fewshot-SMIS has two networks below one key: psp/encoder and
stylegan2/generator each take their entries from iteration_n.pt:state_dict, and
the mean latent beside it.
"""

from collections.abc import Mapping
import pathlib
import sys

from absl import app
from absl import flags
import numpy as np

from semseg_jax import interop
from semseg_jax.interop import torch_files

_KIND = flags.DEFINE_string(
    "kind", None, "What the entries are: " + ", ".join(interop.kinds()) + ".")
_INPUT = flags.DEFINE_multi_string(
    "input", None,
    "PATH or PATH:KEY of a .pt, .pth or .safetensors file; KEY names a state "
    "dict inside the checkpoint. Given more than once, the entries are merged.")
_OUTPUT = flags.DEFINE_string("output", None, "Safetensors file to write.")

# Parts of common files that a kind has no use for.
_UNUSED = {
    "lpips/vgg": ("classifier.",),
    "lpips/alex": ("classifier.",),
}
# Arrays that stand beside a kind's state dict in common checkpoints.
_BESIDE = {
    "stylegan2/generator": ("latent_avg",),
    "psp/encoder": ("latent_avg",),
}


def read(source: str, beside: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
  """The state dict that PATH or PATH:KEY names.

  Args:
    source: PATH or PATH:KEY.
    beside: arrays to add from beside the state dict KEY, where there are.

  Raises:
    FileNotFoundError, ValueError: it cannot be read; the message says why.
  """
  path, _, key = source.rpartition(":")
  if not path or pathlib.Path(source).exists():
    path, key = source, ""
  if path.endswith(".safetensors"):
    content, _ = torch_files.load_safetensors(path)
  else:
    content = torch_files.load(path)
  if not isinstance(content, Mapping):
    raise ValueError(
        f"{path}: holds a {type(content).__name__}, not state dicts")
  inside = [k for k, v in content.items() if isinstance(v, Mapping)
            and any(isinstance(x, np.ndarray) for x in v.values())]
  if key:
    if key not in inside:
      raise ValueError(
          f"{path}: no state dict {key!r}; it has {inside or 'none by name'}")
    content = dict(content[key]) | {
        name: content[name] for name in beside
        if isinstance(content.get(name), np.ndarray)}
  elif inside:
    raise ValueError(
        f"{path}: holds several state dicts; name one: " +
        ", ".join(f"{path}:{k}" for k in inside))
  return dict(content)


def convert(kind: str, sources: list[str], output: str) -> list[str]:
  """Merges `sources`, checks them against `kind` and writes `output`.

  Returns:
    Notes for the user: which entries were left out.

  Raises:
    FileNotFoundError, ValueError: naming the file or entry and the reason.
  """
  output = pathlib.Path(output)
  if not output.parent.is_dir():
    raise FileNotFoundError(f"{output.parent}: no such folder")
  merged, notes = {}, []
  for source in sources:
    entries = read(source, _BESIDE.get(kind, ()))
    mine = interop.own_entries(kind, entries)
    if len(mine) < len(entries):
      notes.append(f"{source}: left out {len(entries) - len(mine)} entries of "
                   "another network")
    entries = dict(mine)
    for prefix in _UNUSED.get(kind, ()):
      unused = [n for n in entries if n.startswith(prefix)]
      if unused:
        notes.append(f"{source}: left out {len(unused)} entries {prefix}*, "
                     f"which {kind} does not use")
      entries = {n: v for n, v in entries.items() if n not in unused}
    twice = sorted(merged.keys() & entries.keys())
    if twice:
      raise ValueError(f"{source}: entry {twice[0]!r} came before, too")
    merged.update(entries)
  interop.from_torch(kind, merged)
  names = (pathlib.PurePath(source).name for source in sources)
  interop.save(output, kind, merged, source=", ".join(names))
  return notes


def main(argv):
  if len(argv) > 1:
    raise app.UsageError(f"unexpected arguments {argv[1:]}")
  try:
    notes = convert(_KIND.value, _INPUT.value, _OUTPUT.value)
  except (OSError, ValueError) as e:
    print(f"convert: {e}", file=sys.stderr)
    return 1
  for note in notes:
    print(f"note: {note}")
  print(f"wrote {_OUTPUT.value}")
  return 0


if __name__ == "__main__":
  flags.mark_flags_as_required(["kind", "input", "output"])
  app.run(main)
