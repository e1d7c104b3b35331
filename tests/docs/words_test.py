"""The documentation uses the field's terms.

Words in code (blocks, spans, names) do not count.
"""

import json
import pathlib
import re

import pytest

_ROOT = pathlib.Path(__file__).resolve().parents[2]
# Words that the documentation avoids, and what it says instead.
AVOIDED = {
    r"pictures?": "image",
    r"labelled|unlabelled|labelling": "labeled, unlabeled, labeling",
    r"taught|teach|teaches|by heart": "trained, supervises, memorized",
    r"slips?": "deviation",
    r"house|rooms": "package, layer",
    r"(the|its|of|other|same|all|\d+|two|three|five) draws": "samples, trials",
    r"draws of": "samples, trials",
    r"(the|a|is) found labels?": "predicted label",
    r"w\+ codes?|mean code|latent codes?": "latents, mean latent",
    r"the release|releases": "the official code",
    r"hyperthreads?": "cores",
    r"spec \d": "the paper's section",
}


def prose(text: str) -> str:
  """Markdown without code, links' targets and HTML; lines keep their place."""
  blank = lambda m: re.sub(r"[^\n]", " ", m[0])
  for pattern in (r"^```.*?^```", r"^~~~.*?^~~~", r"<!--.*?-->"):
    text = re.sub(pattern, blank, text, flags=re.DOTALL | re.MULTILINE)
  for pattern in (r"^(    |\t).*$", r"`[^`]*`", r"\]\([^)]*\)", r"<[^>]*>"):
    text = re.sub(pattern, blank, text, flags=re.MULTILINE)
  return text


def violations(text: str) -> list[str]:
  """"line: word (say: ...)" of every avoided word in Markdown."""
  return [
      f"{number}: {match[0]!r} (say: {instead})"
      for number, line in enumerate(prose(text).splitlines(), 1)
      for word, instead in AVOIDED.items()
      for match in re.finditer(rf"\b(?:{word})\b", line, re.IGNORECASE)]


def _pages():
  paths = [*_ROOT.glob("*.md"), *_ROOT.glob("docs/**/*.md"),
           *_ROOT.glob("benchmarks/**/*.md"), *_ROOT.glob("examples/**/*")]
  return sorted(p for p in paths if p.suffix in (".md", ".ipynb"))


def _text(path):
  if path.suffix == ".md":
    return path.read_text()
  cells = json.loads(path.read_text())["cells"]
  return "\n".join("".join(c["source"]) for c in cells
                   if c["cell_type"] == "markdown")


@pytest.mark.parametrize(
    "path", _pages(), ids=lambda p: str(p.relative_to(_ROOT)))
def test_pages_use_the_terms_of_the_field(path):
  words = violations(_text(path))
  assert not words, "\n".join([str(path), *words])


def test_words_are_seen_in_prose_alone():
  text = ("A picture here.\n```\npicture\n```\nnot `picture`, [x](picture.md)"
          "\n    picture\n* the Draws of five shots\n")
  assert violations(text) == [
      "1: 'picture' (say: image)",
      "7: 'the Draws' (say: samples, trials)",
      "7: 'Draws of' (say: samples, trials)"]
