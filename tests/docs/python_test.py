"""Python that a page shows parses, and calls what is there as it can be called.

Only calls of what a block imports are looked at: nothing is run.
"""

import ast
import importlib
import inspect
import pathlib
import re

import pytest

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^ *```python\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


def problems(source: str) -> list[str]:
  """What of the block's calls does not exist or cannot be called so."""
  tree = ast.parse(source)
  known = _imported(tree)
  wrong = []
  for node in ast.walk(tree):
    if not isinstance(node, ast.Call):
      continue
    name = ast.unparse(node.func)
    first, *rest = name.split(".")
    if first not in known or "(" in name or "[" in name:
      continue
    try:
      called = known[first]
      for part in rest:
        called = getattr(called, part)
      inspect.signature(called).bind(
          *node.args, **{k.arg: k for k in node.keywords if k.arg})
    except (AttributeError, TypeError) as error:
      wrong.append(f"{name}: {error}")
    except ValueError:  # a built-in without a signature
      pass
  return wrong


def _imported(tree):
  """Objects of this project by the names that a block gives them."""
  known = {}
  for node in ast.walk(tree):
    if isinstance(node, ast.Import):
      for x in node.names:
        if x.name == "semseg_jax":
          known[x.asname or x.name] = importlib.import_module(x.name)
    elif isinstance(node, ast.ImportFrom) and (
        node.module.partition(".")[0] == "semseg_jax"):
      for x in node.names:
        known[x.asname or x.name] = importlib.import_module(
            f"{node.module}.{x.name}")
  return known


def _pages():
  paths = [*_ROOT.glob("*.md"), *_ROOT.glob("docs/*.md"),
           _ROOT / "benchmarks/README.md"]
  return sorted(p for p in paths if _BLOCK.search(p.read_text()))


@pytest.mark.parametrize("path", _pages(), ids=lambda p: p.name)
def test_the_calls_of_a_page_exist(path):
  assert not [x for block in _BLOCK.findall(path.read_text())
              for x in problems(block)]


@pytest.mark.parametrize(("call", "reason"), [
    ("subsets.select(dataset, labels=20, num_unlabeled=-1, split_seed=0)",
     "num_labeled"),
    ("subsets.chosen(dataset)", "chosen"),
    ("subsets.select()", "missing"),
])
def test_a_wrong_call_is_seen(call, reason):
  (problem,) = problems(f"from semseg_jax.data import subsets\n{call}\n")
  assert reason in problem
