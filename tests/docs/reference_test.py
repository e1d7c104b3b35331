"""Pages that are generated: configs, commands and data sets."""

import ast
import importlib
import inspect
import pathlib

import pytest

from docs.site import command_reference
from docs.site import config_reference
from docs.site import dataset_reference
from semseg_jax.data import datasets

_ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("method", config_reference.METHODS)
def test_nearly_every_field_is_explained(method):
  rows = [(f"{block}.{name}", text)
          for block, fields in config_reference.blocks(method).items()
          for name, _, text in fields]
  unexplained = [name for name, text in rows if not text]
  assert len(rows) > 80
  assert len(unexplained) <= 0.1 * len(rows), unexplained


def test_comments_belong_to_their_fields(tmp_path):
  (tmp_path / "configs/a").mkdir(parents=True)
  (tmp_path / "configs/common.py").write_text(
      "def block():\n  return dict(\n      x=1,  # of common\n      y=2)\n")
  path = tmp_path / "configs/a/base.py"
  path.write_text("""
def get_config():
  shared = dict(rate=1,  # of all
                other=2)
  c.top = 1  # at the top
  # Two lines
  # above.
  c.below = 3
  c.gan = dict(
      shared, steps=4, size=5,  # of both
      # Above an inner block.
      inner=dict(deep=6),
      none=7)
  c.data = common.block()
  c.gan.update(late=8)  # afterwards
""")
  assert config_reference.comments(path) == {
      "top": "at the top", "below": "Two lines above.",
      "gan.rate": "of all", "gan.other": "", "gan.steps": "of both",
      "gan.size": "of both", "gan.inner.deep": "Above an inner block.",
      "gan.none": "", "data.x": "of common", "data.y": "",
      "gan.late": "afterwards"}


def test_every_config_is_listed():
  page = config_reference.page()
  for method in config_reference.METHODS:
    for path in (_ROOT / "configs" / method).glob("*.py"):
      module = importlib.import_module(f"configs.{method}.{path.stem}")
      function = getattr(module, "get_config", None)
      if function and inspect.signature(function).parameters:
        assert f"`configs/{method}/{path.name}`" in page


def test_commands_are_listed_with_their_flags():
  page = command_reference.page()
  for path in command_reference.modules():
    assert path.stem in page
  assert "| `--workdir` |" in page
  assert "semseg-jax report --workdir=runs/mine" in page


def test_flags_are_read_from_the_source():
  tree = ast.parse('''
flags.DEFINE_integer("n", 10, "How " "many.", lower_bound=1)
flags.DEFINE_string("out", None, f"Folder of {x}.")
flags.DEFINE_alias("o", "out")
''')
  assert command_reference.flags(tree) == [
      ("n", "`10`", "How many."), ("out", "", "Folder of ....")]


def test_every_data_set_is_listed_with_its_classes():
  page = dataset_reference.page()
  bases = {n.partition("/")[0] for n in dataset_reference.names()}
  assert bases == set(datasets.names()) - {"folder"}
  for name in dataset_reference.names():
    assert f"\n## {name}\n" in page
  assert "9 r_ear" in page  # of CelebAMask-HQ's 19 classes
  assert "exchange left eye and right eye" in page
  assert "`train_labeled.txt`" in page
  assert "label_colors.txt" in page


@pytest.mark.parametrize(("name", "classes", "flips"), [
    ("wingspan", 4, "none: left and right differ"),
    ("pascal_context/59", 59, "change no class"),
    ("lsun/church", 151, "change no class")])
def test_specs_are_known_without_files(name, classes, flips):
  spec = dataset_reference.spec_of(name)
  assert spec.num_classes == classes
  assert dataset_reference.flips(spec) == flips
