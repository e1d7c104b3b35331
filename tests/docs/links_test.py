"""Links of the documentation lead somewhere: files and headings."""

import functools
import pathlib
import re

import pytest

_ROOT = pathlib.Path(__file__).resolve().parents[2]
# Pages that `make docs` generates.
_GENERATED = {"docs/config.md", "docs/commands.md", "docs/datasets.md"}
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(text: str) -> set[str]:
  """Names of the headings as GitHub and the site make them."""
  text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
  headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
  plain = [re.sub(r"[^\w\- ]", "", h.lower()).strip() for h in headings]
  return {h.replace(" ", "-") for h in plain}


def broken(path: pathlib.Path) -> list[str]:
  """Links of a page whose file or heading is not there."""
  text = re.sub(r"`[^`\n]*`", "", path.read_text())
  wrong = []
  for target in _LINK.findall(text):
    if "://" in target or target.startswith("mailto:"):
      continue
    name, _, anchor = target.partition("#")
    file = (path.parent / name).resolve() if name else path
    if str(file.relative_to(_ROOT)) in _GENERATED:
      continue
    if not file.exists():
      wrong.append(f"{target}: no such file")
    elif anchor and anchor not in anchors(file.read_text()):
      wrong.append(f"{target}: no such heading")
  return wrong


@pytest.mark.parametrize(
    "path", sorted([*_ROOT.glob("*.md"), *_ROOT.glob("docs/*.md"),
                    *_ROOT.glob("benchmarks/**/*.md")]),
    ids=lambda p: str(p.relative_to(_ROOT)))
def test_links_lead_somewhere(path):
  assert not broken(path)


def unknown(text: str) -> list[str]:
  """`FILE.py` and `FILE.py:NAME` of a text that are not there."""
  wrong = []
  for path, name in re.findall(r"`([\w/]+\.py)(?::(\w+))?`", text):
    files = [f for f in _sources() if f"/{f}".endswith(f"/{path}")]
    if not files:
      wrong.append(f"{path}: no such file")
    elif name and not any(
        re.search(rf"\b{name}\b", (_ROOT / f).read_text()) for f in files):
      wrong.append(f"{path}:{name}: no such name")
  return wrong


@functools.cache
def _sources():
  return [str(f.relative_to(_ROOT)) for top in (
      "semseg_jax", "configs", "benchmarks", "tests", "examples")
          for f in (_ROOT / top).rglob("*.py")]


def test_files_and_their_names_are_there():
  example = "semseg_jax/methods/mean_color.py"  # of docs/add_a_method.md
  assert not [f"{path}: {x}" for path in _ROOT.glob("docs/*.md")
              for x in unknown(path.read_text().replace(example, ""))]
  assert unknown("`ops/conv.py:conv2d`, `ops/conv.py:conv9d`, `ops/co.py`") == [
      "ops/conv.py:conv9d: no such name", "ops/co.py: no such file"]


def test_a_broken_link_is_seen(tmp_path, monkeypatch):
  monkeypatch.setitem(globals(), "_ROOT", tmp_path)
  (tmp_path / "a.md").write_text("# One *two*, three\n")
  page = tmp_path / "b.md"
  page.write_text("[x](a.md) [y](a.md#one-two-three) [z](a.md#four) [w](c.md)")
  assert broken(page) == [
      "a.md#four: no such heading", "c.md: no such file"]
