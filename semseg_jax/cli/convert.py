r"""Checks a PyTorch checkpoint and writes it as a safetensors file.

  semseg-jax convert --kind=semantic_gan/fpn_encoder \
      --input=checkpoint.pt:e --output=encoder.safetensors
  semseg-jax convert --kind=lpips/vgg \
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

from absl import flags
import numpy as np

from semseg_jax import interop
from semseg_jax.cli import arguments
from semseg_jax.interop import network_pickles
from semseg_jax.interop import nvidia
from semseg_jax.interop import torch_files
from semseg_jax.interop import unpickler

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


# The networks of NVIDIA's pickles that a kind means where no key is given.
_USUAL = {"stylegan2/generator": "G_ema", "stylegan2/discriminator": "D"}


def read(source: str, beside: tuple[str, ...] = (), usual: str = ""
         ) -> tuple[dict[str, np.ndarray], list[str]]:
  """The state dict that PATH or PATH:KEY names, and what was left out.

  Args:
    source: PATH or PATH:KEY.
    beside: arrays to add from beside the state dict KEY, where there are.
    usual: KEY of network pickles where none is given.

  Returns:
    The arrays by name, and notes: what stands beside them and was not read.

  Raises FileNotFoundError, ValueError: it cannot be read; the message says why.
  """
  path, _, key = source.rpartition(":")
  if not path or pathlib.Path(source).expanduser().exists():
    path, key = source, ""
  path = str(pathlib.Path(path).expanduser())
  content = _content(path)
  if not isinstance(content, Mapping):
    raise ValueError(
        f"{path}: holds a {_kind_of(content)}, not state dicts")
  inside, notes = _inside(content), []
  flat = any("." in str(k) and isinstance(v, np.ndarray)
             for k, v in content.items())
  if not key and path.endswith((".pkl", ".pickle")) and usual in inside:
    key = usual
  if not key and len(inside) == 1 and not flat:
    key, = inside
    notes.append(f"{path}: read {key!r}")
  if key:
    named = inside.get(key) or {
        k.removeprefix(f"{key}."): v for k, v in content.items()
        if str(k).startswith(f"{key}.")}
    if not named:
      raise ValueError(
          f"{path}: no state dict {key!r}; it has "
          f"{list(inside) or _prefixes(content) or 'none by name'}")
    entries = dict(named) | {
        name: content[name] for name in beside
        if isinstance(content.get(name), np.ndarray)}
    others = {k: v for k, v in content.items()
              if k not in inside and k not in entries
              and _foreign(v) is not None}
  elif inside and not flat:
    raise ValueError(
        f"{path}: holds several state dicts; name one: " +
        ", ".join(f"{path}:{k}" for k in inside))
  else:
    entries, others = dict(content), {}
  if any(isinstance(v, np.ndarray) for v in entries.values()):
    others |= {k: v for k, v in entries.items() if _is_no_weight(k, v, beside)}
    entries = {k: v for k, v in entries.items() if k not in others}
  if others:
    names = [f"{k!r} ({_kind_of(v)})" for k, v in others.items()]
    notes.append(f"{path}: skipped {', '.join(names)}")
  return entries, notes


def _inside(content, depth: int = 0) -> dict:
  """{key, with dots where it is nested: state dict} of a checkpoint."""
  inner = {}
  for key, value in content.items():
    if not isinstance(key, str) or not isinstance(value, Mapping):
      continue
    if any(isinstance(k, str) and isinstance(x, np.ndarray)
           for k, x in value.items()):
      inner[key] = value
    elif depth < 3:
      inner |= {f"{key}.{k}": v for k, v in _inside(value, depth + 1).items()}
  return inner


def _prefixes(content):
  """What the names of a state dict start with."""
  return sorted({str(k).partition(".")[0] for k in content if "." in str(k)})


def _content(path):
  if path.endswith(".safetensors"):
    return torch_files.load_safetensors(path)[0]
  if path.endswith((".pkl", ".pickle")):
    return network_pickles.load(path)
  return torch_files.load(path, foreign=True)


def _is_no_weight(name, value, beside):
  """Whether an entry of a state dict is a counter, a date, a generator's state.
  """
  if not isinstance(value, np.ndarray):
    return True
  return "." not in str(name) and name not in beside and (
      value.ndim == 0 or value.dtype == np.uint8)


def _kind_of(value):
  foreign = _foreign(value)
  return type(value).__name__ if foreign is None else foreign.kind


def _foreign(value, depth: int = 0):
  """An object of a kind that is not read, in a value or within it."""
  if isinstance(value, unpickler.Foreign):
    return value
  if isinstance(value, type) and issubclass(value, unpickler.Foreign):
    return value
  if depth > 8 or not isinstance(value, tuple | list | dict):
    return None
  parts = value.values() if isinstance(value, dict) else value
  return next((f for x in parts if (f := _foreign(x, depth + 1)) is not None),
              None)


def convert(kind: str, sources: list[str], output: str) -> list[str]:
  """Merges `sources`, checks them against `kind` and writes `output`.

  Returns notes for the user: which entries were left out.

  Raises FileNotFoundError, ValueError: naming the file or entry and the reason.
  """
  if kind not in interop.kinds():
    raise ValueError(
        f"--kind={kind}: choose from {', '.join(interop.kinds())}")
  output = pathlib.Path(output).expanduser()
  if not output.parent.is_dir():
    raise FileNotFoundError(f"--output: {output.parent}: no such folder")
  merged, notes = {}, []
  for source in sources:
    entries, skipped = read(
        source, _BESIDE.get(kind, ()), _USUAL.get(kind, ""))
    notes += skipped
    mine = interop.own_entries(kind, entries)
    if len(mine) < len(entries) and not nvidia.recognises(entries):
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
  try:
    interop.from_torch(kind, merged)
  except ValueError as e:
    if len(prefixes := _prefixes(merged)) > 1 or not prefixes:
      raise
    raise ValueError(
        f"{e}; all names start with {prefixes[0]!r}, which "
        f"--input=PATH:{prefixes[0]} takes off") from e
  for name, value in merged.items():
    if value.dtype.kind not in "biu" and not np.isfinite(
        value.astype(np.float32)).all():
      raise ValueError(
          f"{kind}: entry {name!r} holds numbers that are not finite; the "
          "network had diverged when it was saved")
  if kind == "stylegan2/generator" and not any(
      n.startswith("noises.") for n in merged):
    notes.append("no noise buffers noises.*: they are drawn anew, always the "
                 "same")
  names = (pathlib.PurePath(source).name for source in sources)
  interop.save(output, kind, merged, source=", ".join(names))
  return notes


def define_flags():
  """See --help."""
  flags.DEFINE_string(
      "kind", None, "What the entries are: " + ", ".join(interop.kinds()) + ".")
  flags.DEFINE_multi_string(
      "input", None,
      "PATH or PATH:KEY of a .pt, .pth, .safetensors or NVIDIA's .pkl file; "
      "KEY names a state dict inside the checkpoint, or what the names of one "
      "start with. Given more than once, the "
      "entries are merged.")
  flags.DEFINE_string("output", None, "Safetensors file to write.")
  arguments.require("kind", "input", "output")


def main(argv):
  del argv
  given = flags.FLAGS
  try:
    notes = convert(given.kind, given.input, given.output)
  except (OSError, ValueError) as e:
    sys.exit(f"error: {e}")
  for note in notes:
    print(f"note: {note}")
  print(f"wrote {given.output}")
