"""The page "Classes of every data set", from `semseg_jax/data/sets`.

A data set's module builds its spec when it is opened. Here it is opened without
its files, as far as that.
"""

import ast
import contextlib
import importlib
import inspect
import pathlib
import tempfile
import textwrap
from unittest import mock

from semseg_jax.data import archives
from semseg_jax.data import datasets
from semseg_jax.data import id_lists
from semseg_jax.data import pascal
from semseg_jax.data.sets import pascal_context

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The packs state their classes in classes.json (tests/data/packs_test.py).
PACKS = {
    "coffee_leaf": ("background", "leaf", "symptom"),
    "wbc": ("background", "cytoplasm", "nucleus"),
    "camvid": ("sky", "building", "pole", "road", "pavement", "tree", "sign",
               "fence", "car", "pedestrian", "bicyclist"),
    "ccp_person": ("background", "skin", "hair", "upper_clothes",
                   "lower_clothes", "dress", "shoes", "accessories"),
    "wingspan": ("background", "right_lung", "left_lung", "heart")}
GRAY = {"wingspan"}


class _Known(Exception):
  """Carries the spec that a data set has just made."""


def spec_of(name: str) -> datasets.Spec:
  """The spec of a data set, or data set/variant, that is not there.

  Raises:
    LookupError: it makes none before it reads its files.
  """
  if name in PACKS:
    names = PACKS[name]
    return datasets.Spec(name, names, pascal.palette(len(names)),
                         channels=1 if name in GRAY else 3)
  init = datasets.Spec.__post_init__

  def stop(spec):
    init(spec)
    raise _Known(spec)

  with contextlib.ExitStack() as patches, tempfile.TemporaryDirectory() as root:
    patch = lambda *args: patches.enter_context(mock.patch.object(*args))
    patch(datasets.Spec, "__post_init__", stop)
    patch(archives.Archive, "locate", lambda *_: pathlib.Path(root))
    patch(archives.Archive, "items", lambda *_, **__: [])
    patch(archives.Archive, "complete", lambda *_: None)
    patch(archives.Archive, "listed", lambda *_: {})
    patch(id_lists, "read", lambda *_: ())
    _skeleton(pathlib.Path(root))
    try:
      datasets.load(name, data_dir=root)
    except _Known as known:
      return known.args[0]
    except Exception as e:
      raise LookupError(f"{name}: no spec without files ({e})") from e
  raise LookupError(f"{name}: makes no spec")


def _skeleton(root):
  """Files that some sets look at before they make their spec."""
  voc_lists = "VOCdevkit/VOC2010/ImageSets/Main"
  names = enumerate(pascal_context.CLASSES)
  for name, text in {
      "jsrt/fold1/masks/x": "", "label_data/x": "",
      "church_outdoor_train_lmdb/data.mdb": "", "cat/data.mdb": "",
      "car/data.mdb": "", "labels.txt": "\n".join(
          f"{i}: {name}" for i, name in names),
      **{f"{voc_lists}/{kind}_{part}.txt": "" for kind in ("car", "horse")
         for part in ("train", "val")}}.items():
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def names() -> list[str]:
  """All data sets and variants but `folder`, whose classes are one's own."""
  result = []
  for name in datasets.names():
    module = importlib.import_module(f"semseg_jax.data.sets.{name}")
    variants = [f"{name}/{v}" for v in getattr(module, "VARIANTS", ())]
    # Where there is nothing without a variant, `make` says so.
    if not variants or "if not variant" not in inspect.getsource(module.make):
      variants.insert(0, name)
    result += variants if name != "folder" else []
  return result


def page() -> str:
  """Markdown."""
  parts = [_INTRODUCTION]
  for name in names():
    parts.append(_section(name))
  return "\n".join(parts)


def flips(spec: datasets.Spec) -> str:
  """A spec's flip rule in words."""
  if spec.flip is None:
    return "none: left and right differ"
  pairs = [f"{spec.class_names[a]} and {spec.class_names[b]}"
           for a, b in enumerate(spec.flip) if a < b]
  return f"exchange {', '.join(pairs)}" if pairs else "change no class"


def _section(name):
  base = name.partition("/")[0]
  spec = spec_of(name)
  path = ROOT / f"semseg_jax/data/sets/{base}.py"
  summary, layout = _described(path)
  lines = [f"## {name}", "", summary, "",
           f"* **Classes** ({spec.num_classes}): " + ", ".join(
               f"{i} {n}" for i, n in enumerate(spec.class_names)),
           f"* **Ignored**: {spec.ignore_index}",
           f"* **Images**: {'RGB' if spec.channels == 3 else 'gray'}",
           f"* **Flips** {flips(spec)}"]
  lists = sorted((ROOT / "semseg_jax/data/splits" / base).glob("*.txt"))
  if lists:
    lines.append("* **Lists** of this project: "
                 + ", ".join(f"`{p.name}`" for p in lists))
  if layout:
    lines += ["", "```text", layout, "```"]
  return "\n".join([*lines, ""])


def _described(path):
  """(first paragraph, lines that show files) of a module's docstring."""
  text = ast.get_docstring(ast.parse(path.read_text())) or ""
  summary = " ".join(text.partition("\n\n")[0].split())
  summary = summary.partition(": ")[2] or summary
  indented = [line for line in text.splitlines() if line.startswith("  ")]
  return summary[:1].upper() + summary[1:], textwrap.dedent(
      "\n".join(indented))


_INTRODUCTION = """\
# Classes of every data set

Generated from `semseg_jax/data/sets/`: the classes with their indices, the
label of pixels that do not count, what a mirror image does to the classes, the
lists of images that this project brings (`semseg_jax/data/splits`), and the
files of a download. Sizes of splits, licences and where the splits come from
are in [Data](data.md); the classes of a folder of your own are those of its
[`classes.json`](add_a_dataset.md).
"""
