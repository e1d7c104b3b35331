"""The parts of the check, as a table: which processes each one runs."""

from collections.abc import Callable
import importlib.util
import os
import pathlib
from typing import NamedTuple

_CONFIG = "configs/semantic_gan/celebamask_hq.py:labels=30"
_TOY = "configs/semantic_gan/toy_faces.py:labels=20,smoke"
_LPIPS = "--config.perceptual.weights=lpips_vgg.safetensors"  # Never read.


class Options(NamedTuple):
  """What the command line says; see `__main__`."""
  out: pathlib.Path
  tiny: bool
  golden_dir: str
  data: str


class Row(NamedTuple):
  """A process that prints results as lines of JSON.

  Attributes:
    name: of the row.
    argv: arguments of Python.
    limit: seconds after which it is ended.
    least: it is not started with fewer left.
    may_be_cut: being ended at its limit is no error.
    environment: what it gets beside the caller's.
  """
  name: str
  argv: tuple[str, ...]
  limit: float = 600.0
  least: float = 10.0
  may_be_cut: bool = False
  environment: dict[str, str] = {}


class Part(NamedTuple):
  """A part of the check.

  Attributes:
    rows: Options -> its rows.
    share: of all time; what earlier parts leave goes to the later ones.
    together: rows that run at the same time, where nothing is timed.
    in_turns: so many comparisons get ready at the same time and are then timed
      in turns (`benchmarks.compare.turns`).
    even: rows waiting share what is left; else the first may take it all.
  """
  rows: Callable[[Options], list[Row]]
  share: float
  together: int = 1
  in_turns: bool = False
  even: bool = True


def _several(most: int, cores: int = 3) -> int:
  """As many as the cores can compile for."""
  return max(1, min(most, len(os.sched_getaffinity(0)) // cores))


def machine(o: Options) -> list[Row]:
  return [Row("machine", (
      "-m", "benchmarks.accelerator.machine", *_flag("tiny", o.tiny)))]


def golden(o: Options) -> list[Row]:
  count = 1 if o.tiny else 2 * _several(4)
  only = ("--only=modconv",) if o.tiny else ()
  return [Row(f"cases {i + 1} of {count}", (
      "-m", "benchmarks.accelerator.golden", f"--golden_dir={o.golden_dir}",
      f"--share={i}/{count}", *only)) for i in range(count)]


# Method -> arguments of its toy config; together they have every stage.
STAGES = {
    "semantic_gan": "configs/semantic_gan/toy_faces.py:labels=20,fitted,smoke",
    "repurpose_gan": "configs/repurpose_gan/toy_faces.py:smoke",
    "fewshot_smis": "configs/fewshot_smis/toy_faces.py:shots=2,smoke",
    "semisup": "configs/semisup/scenes.py:labels=8,method=s4gan_mlmt,smoke",
    "mean_teacher": "configs/semisup/scenes.py:labels=8,method=mean_teacher,"
                    "smoke"}


def every_stage(o: Options) -> list[Row]:
  module = ("-m", "benchmarks.accelerator.stages")
  if o.tiny:
    return [Row("supervised float32", (
        *module, f"--config={_TOY}", "--stage=supervised",
        "--config.data.size=16"))]
  rows = [Row(f"{name} {dtype}", (
      *module, f"--config={config}", f"--config.dtype={dtype}"))
          for dtype in ("float32", "bfloat16")
          for name, config in STAGES.items()]
  return [*rows, Row("SIGKILL", (
      *module, f"--config={_TOY}", "--stage=supervised", "--kill"))]


# (case, size, batch, further flags): what says most comes first. The official
# loop inverts one image at a time, so that its time for one tells the others.
# In bfloat16 signs of small gradients differ, which Adam makes large: a second
# run after an update only tells whether the same is computed at all.
_COMPARED = (
    ("inversion", 256, 1, ()), ("gan", 256, 8, ()),
    ("deeplab_gradient", 321, 8, ("--classes=21",)),
    ("gan_projected", 64, 32, ("--width=128",)), ("generator", 256, 16, ()),
    ("inversion", 256, 16, ("--sides=best",)),
    ("encoder", 256, 8, ()), ("gan_projected", 256, 8, ()),
    ("s4gan", 321, 4, ("--classes=21",)), ("efficientnet", 256, 64, ()),
    ("gan", 256, 16, ()), ("generator", 256, 64, ()),
    ("deeplab", 321, 8, ("--classes=21",)), ("gan_regularised", 256, 8, ()),
    ("inversion", 64, 256, ("--sides=best",)), ("generator", 256, 1, ()))
_SLACK = "--slack=4"


def compared(o: Options) -> list[Row]:
  if importlib.util.find_spec("torch") is None:
    return []
  if o.tiny:
    cases = [("generator", 8, 2, ("--width=8", "--dtype=float32"))] * 2
  else:  # TF32 is compared where it is quick to.
    cases = [(*case[:3], (*case[3], _SLACK, f"--dtype={dtype}"))
             for dtype in ("bfloat16", "float32") for case in _COMPARED
             if dtype == "bfloat16" or case[:3] in (
                 ("generator", 256, 16), ("gan", 256, 8))]
  rows = []
  for case, size, batch, further in cases:
    dtype = further[-1].partition("=")[2]
    sides = () if any("sides" in x for x in further) else (
        "--sides=original,best",)
    rows.append(Row(f"{case} {size} px B{batch} {dtype}", (
        "-m", "benchmarks.compare", f"--case={case}", f"--size={size}",
        f"--batch={batch}", "--json", f"--out={o.out / 'compare'}",
        "--compiled=.cache/accelerator/compare",
        "--rounds=5", "--seconds=5", *sides, *further), least=20))
  return rows


def published(o: Options) -> list[Row]:
  module = ("-m", "benchmarks.train_step", "--json")
  if o.tiny:
    return [Row("supervised", (
        *module, f"--config={_TOY}", "--stage=supervised", "--rounds=1",
        "--config.data.size=16", "--matmul=64"))]
  gpu = (*module, f"--config={_CONFIG}", "--matmul=8192", _LPIPS)
  half = "--config.dtype=bfloat16"
  search = (*gpu, "--stage=inversion", "--config.inversion.steps=200",
            "--rounds=1")
  return [
      Row("gan", (*gpu, "--stage=gan", half)),
      Row("inversion", (*search, half, "--batch=64")),
      Row("encoder", (*gpu, "--stage=encoder", half)),
      Row("s4gan", (
          *module, "--config=configs/semisup/pascal_voc.py:method=s4gan,"
          "ratio=0.125", "--stage=s4gan", half, "--matmul=8192")),
      Row("gan, largest batch", (
          *gpu, "--stage=gan", half, "--batch=64", "--doubling", "--rounds=1"),
          may_be_cut=True),
      Row("inversion, largest batch", (
          *search, half, "--batch=128", "--doubling",
          "--config.inversion.steps=2"), may_be_cut=True),
      Row("gan float32", (*gpu, "--stage=gan"))]


def models(o: Options) -> list[Row]:
  if o.tiny:
    return []
  return [Row("models", (
      "-m", "benchmarks.accelerator.models", f"--out={o.out}",
      f"--data={o.data}"), limit=1e9, least=90, may_be_cut=True)]


PARTS = {
    "a": Part(machine, 0.06),
    "b": Part(golden, 0.14, _several(4)),
    "c": Part(every_stage, 0.2, _several(5)),
    # More at once keep each other from measuring convolutions while they
    # compile: of eleven none was ready within four minutes.
    "d": Part(compared, 0.3, _several(3, 4), in_turns=True, even=False),
    "e": Part(published, 0.2, even=False),
    "f": Part(models, 0.1)}


def _flag(name, value):
  return (f"--{name}",) if value else ()
