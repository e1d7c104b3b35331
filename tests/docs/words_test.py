"""Documentation, comments and names use the field's terms."""

import io
import json
import pathlib
import re
import tokenize

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
    # American spelling; the key 'colours' of classes.json stays.
    r"(?<!['\"_])(colour|neighbour|favour|behaviour|grey)\w*":
        "color, neighbor, gray ...",
    r"(optimis|regularis|normalis|equalis|initialis|recognis)[aei]\w*":
        "optimize, regularize ...",
}
# Words of which no name is made: in identifiers, whole or as a part, and in the
# code of the documentation.
NAMES = {
    "picture": "image", "pictures": "images", "labelled": "labeled",
    "unlabelled": "unlabeled", "labelling": "labeling", "taught": "trained",
    "teach": "train", "teaches": "trains", "slip": "deviation",
    "slips": "deviations", "released": "official", "house": "package",
    "hyperthreads": "cores"}
# Names that say nothing, or something else in this field.
WHOLE_NAMES = {
    "found": "the thing's own name", "draws": "rngs", "places": "positions",
    "release": "match_official", "mean_code": "mean_latent",
    "num_latents": "num_ws", "mix_codes": "mix_latents",
    "r1_weight": "r1_gamma", "path_weight": "path_length_weight"}
# An image of a house is one.
_MAY = {"semseg_jax/data/rendering/objects.py": {"house"}}


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


def misnamed(name: str) -> list[str]:
  """"word (say: ...)" of an identifier."""
  words = re.findall(r"[a-z]+", re.sub(r"([A-Z])", r"_\1", name).lower())
  instead = [WHOLE_NAMES[name]] if name in WHOLE_NAMES else [
      NAMES[word] for word in words if word in NAMES]
  return [f"{name!r} (say: {x})" for x in instead]


def code_of(text: str) -> str:
  """The code blocks of Markdown; lines keep their place."""
  kept, inside = [], False
  for line in text.splitlines():
    fence = line.startswith(("```", "~~~"))
    inside ^= fence
    kept.append(line if inside and not fence else "")
  return "\n".join(kept)


def violations_in_code(source: str, allowed=frozenset()) -> list[str]:
  """The same of a Python file: its names, comments and docstrings."""
  lines = []
  previous = tokenize.NEWLINE
  for token in tokenize.generate_tokens(io.StringIO(source).readline):
    wrong = []
    if token.type == tokenize.NAME and token.string not in allowed:
      wrong = misnamed(token.string)
    elif token.type == tokenize.COMMENT or (
        token.type == tokenize.STRING and previous in (
            tokenize.NEWLINE, tokenize.INDENT, tokenize.NL)
        and '"""' in token.string):
      text = re.sub(r"(?m)^ +", "", token.string)  # no code by indentation
      wrong = [x.partition(": ")[2] for x in violations(text)]
    lines += [f"{token.start[0]}: {x}" for x in wrong]
    if token.type not in (tokenize.COMMENT, tokenize.DEDENT):
      previous = token.type
  return lines


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
  text = _text(path)
  words = violations(text) + [
      f"{number}: {x}" for number, line in enumerate(
          code_of(text).splitlines(), 1)
      for name in re.findall(r"[A-Za-z_]+", line)
      for x in misnamed(name) if name not in WHOLE_NAMES]
  assert not words, "\n".join([str(path), *words])


@pytest.mark.parametrize("folder", [
    "semseg_jax", "configs", "benchmarks", "tests", "examples", "docs"])
def test_code_uses_the_terms_of_the_field(folder):
  wrong = []
  for path in sorted((_ROOT / folder).rglob("*.py")):
    name = str(path.relative_to(_ROOT))
    if path != pathlib.Path(__file__).resolve():
      wrong += [f"{name}:{x}" for x in violations_in_code(
          path.read_text(), _MAY.get(name, frozenset()))]
  assert not wrong, "\n".join(wrong)


def test_words_are_seen_in_prose_alone():
  text = ("A picture here.\n```\npicture\n```\nnot `picture`, [x](picture.md)"
          "\n    picture\n* the Draws of five shots\n")
  assert violations(text) == [
      "1: 'picture' (say: image)",
      "7: 'the Draws' (say: samples, trials)",
      "7: 'Draws of' (say: samples, trials)"]


def test_words_are_seen_in_code():
  source = ('"""Slips of it."""\ndef pictures(found, x):\n'
            '  """A picture."""\n  # taught\n  return x.draws + "house"\n')
  assert violations_in_code(source) == [
      "1: 'Slips' (say: deviation)", "2: 'pictures' (say: images)",
      "2: 'found' (say: the thing's own name)", "3: 'picture' (say: image)",
      "4: 'taught' (say: trained, supervises, memorized)",
      "5: 'draws' (say: rngs)"]
  assert misnamed("ReleasedTable") == ["'ReleasedTable' (say: official)"]
  assert code_of("a\n```\nb\n```\nc") == "\n\nb\n\n"
