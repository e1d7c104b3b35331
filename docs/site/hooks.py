"""Hooks of MkDocs: pages made from files outside of docs/.

README.md is the home page; CONTRIBUTING.md, CHANGELOG.md and
benchmarks/README.md are pages too; config.md, commands.md and datasets.md are
generated from configs/, the entry points and semseg_jax/data/sets.
"""

import pathlib
import re
import sys

from mkdocs.structure import files as mkdocs_files

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from docs.site import command_reference  # noqa: E402
from docs.site import config_reference  # noqa: E402
from docs.site import dataset_reference  # noqa: E402

# Page -> the file that it is made from.
PAGES = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "benchmarks.md": "benchmarks/README.md",
}
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


def on_files(files, config):
  """Adds the pages that are no files of docs/, and their images."""
  if str(ROOT) not in sys.path:  # MkDocs takes back what a hook adds
    sys.path.insert(0, str(ROOT))
  images = set()
  for page, source in PAGES.items():
    text = (ROOT / source).read_text()
    files.append(mkdocs_files.File.generated(
        config, page, content=rewrite(text, source)))
    folder = pathlib.PurePosixPath(source).parent
    images |= {normal(folder / target) for image, _, target in
               _LINK.findall(text) if image and "://" not in target}
  for path in sorted(images):
    if path.startswith("docs/") or not (ROOT / path).exists():
      continue
    files.append(mkdocs_files.File.generated(
        config, path, abs_src_path=str(ROOT / path)))
  for page, text in (("config.md", config_reference.page()),
                     ("commands.md", command_reference.page()),
                     ("datasets.md", dataset_reference.page())):
    files.append(mkdocs_files.File.generated(config, page, content=text))
  return files


def on_page_markdown(markdown, page, config, files):
  """Links of files in docs/ to pages that are made from other files."""
  if page.file.src_uri in PAGES or page.file.generated_by:
    return markdown
  return rewrite(markdown, f"docs/{page.file.src_uri}")


def rewrite(text: str, source: str) -> str:
  """Links of a repository's file as links between pages.

  What is no page (a config, a licence) becomes its name: the site has no
  repository beside it.

  Args:
    text: Markdown.
    source: the file's path in the repository.
  """
  folder = pathlib.PurePosixPath(source).parent
  pages = {file: page for page, file in PAGES.items()}

  def link(match):
    image, label, target = match.groups()
    if "://" in target or target.startswith("#"):
      return match[0]
    path, _, anchor = target.partition("#")
    path = normal(folder / path)
    anchor = f"#{anchor}" if anchor else ""
    if path in pages:
      return f"[{label}]({pages[path]}{anchor})"
    if path.startswith("docs/"):
      return f"{image}[{label}]({path.removeprefix('docs/')}{anchor})"
    if image:
      return f"![{label}]({path})"
    if label.strip("`") in (path, target):
      return f"`{path}`"
    return label if label.startswith("`") else f"{label} (`{path}`)"

  return _LINK.sub(link, text)


def normal(path) -> str:
  """a/../b -> b."""
  parts = []
  for part in pathlib.PurePosixPath(path).parts:
    if part == "..":
      parts.pop()
    elif part != ".":
      parts.append(part)
  return "/".join(parts)
