"""The command line as a whole; each command's own work is tested elsewhere."""

import ast
import pathlib
import re
import subprocess
import sys

import pytest

from semseg_jax.cli import launcher

_ROOT = pathlib.Path(__file__).resolve().parents[2]


def _run(*words):
  return subprocess.run(
      [sys.executable, "-m", "semseg_jax", *words], cwd=_ROOT, text=True,
      capture_output=True, check=False)


def test_every_command_has_a_module_of_its_form():
  for name in launcher.COMMANDS:
    tree = ast.parse((_ROOT / f"semseg_jax/cli/{name}.py").read_text())
    defined = {x.name for x in tree.body if isinstance(x, ast.FunctionDef)}
    assert {"define_flags", "main"} <= defined, name
    example = rf"semseg-jax {name} "
    assert re.search(example, ast.get_docstring(tree)), name


def test_nothing_but_the_launcher_sets_the_platform_up():
  for path in (_ROOT / "semseg_jax/cli").glob("*.py"):
    if path.name != "launcher.py":
      text = path.read_text()
      assert "noqa: E402" not in text
      assert "startup.setup" not in text


_HELP = """
from absl import flags
from semseg_jax.cli import launcher
at_first = list(flags.FLAGS)
for name in launcher.COMMANDS:
  launcher.main([name, "--help"])
  for flag in list(flags.FLAGS):
    if flag not in at_first:
      delattr(flags.FLAGS, flag)
"""


def test_help_has_an_example_and_the_flags_of_every_command():
  done = subprocess.run(
      [sys.executable, "-c", _HELP], cwd=_ROOT, text=True, capture_output=True,
      check=False)
  assert done.returncode == 0, done.stderr
  for name in launcher.COMMANDS:
    assert f"semseg-jax {name} " in done.stdout
  assert "semseg-jax report --workdir=runs/mine" in done.stdout
  assert "--workdir: Folder of the run." in done.stdout
  assert "--files: PNGs to write for each image." in done.stdout
  assert "grain" not in done.stdout  # flags of a library


@pytest.mark.parametrize(("words", "said"), [
    (["trian"], "no command 'trian'"),
    (["export"], "--\\w+ is missing"),
    (["report"], "--workdir"),
    (["report", "--workdri=x"], "workdri"),
    (["report", "--workdir=x", "y"], "'y'"),
    (["train", "--config=semantic_gan/toy_faces:lables=1", "--workdir=x"],
     "(?<=error: )config argument 'lables'"),
    (["eval", "--workdir=absent", "--config.evaluation.limit=2"],
     "(?<=error: )absent: no run folder"),
    (["eval", "--workdir", "absent", "--config.evaluation.limit=2"],
     "(?<=error: )absent: no run folder"),
    (["eval", "--workdir=x", "--study=layers", "--split=test"],
     "--split has no meaning with --study=layers"),
    (["eval", "--workdir=x", "--k=1"], "--k has no meaning with no --study"),
    (["eval", "--study=layers", "--config=semantic_gan/toy_faces:smoke",
      "--workdir=x"], "--study=layers is of runs of repurpose_gan; x is of"),
    (["sample", "--config=semisup/scenes:smoke", "--workdir=x", "--out=x"],
     "x is of semisup, which has no generator"),
    (["demo", "--seeds="], "--seeds=: give whole numbers"),
    (["train_models", "--seeds=a"], "--seeds=a: give whole numbers"),
    (["synthesize", "--config=fewshot_smis/toy_faces:smoke", "--workdir=x",
      "--out=x", "--masks=y", "--seed=4294967296"], "seed=4294967296"),
    (["sample", "--workdir=absent", "--out=x", "--config.seed=2"],
     "(?<=error: )absent: no run folder"),
    (["synthesize", "--config=fewshot_smis/toy_faces:smoke", "--workdir=x",
      "--out=x", "--masks=y", "--pairs=2"], "leave out --masks"),
    (["synthesize", "--config=fewshot_smis/toy_faces:smoke", "--workdir=x",
      "--out=y/../y", "--masks=y"], "--out=y/../y is the folder of the masks"),
    (["synthesize", "--config=semantic_gan/toy_faces:smoke", "--workdir=x",
      "--out=x", "--masks=y"], "of method 'semantic_gan'.*fewshot_smis"),
    (["train", "--workdir=x", "--config.stages=('no',)",  # before its config
      "--config=semantic_gan/toy_faces:smoke"], "has no stage 'no'"),
    (["sweep", "--config=semantic_gan/toy_faces:smoke", "--workdir=x",
      "--seeds="], "--seeds=: give whole numbers"),
    (["sweep", "--config=semantic_gan/toy_faces:smoke", "--workdir=x",
      "--seeds=0,0"], "--seeds=0,0: give each once"),
    (["sweep", "--config=semantic_gan/toy_faces:smoke,seed=3", "--workdir=x"],
     "seed=3 in --config=.*--seeds names"),
    (["train", "--config=semantic_gan/toy_faces:labels=1,labels=2",
      "--workdir=x"], "config argument 'labels' is given twice"),
    (["label", "--model=toy_faces", "--images=", "--out=x"],
     "--images=: .*empty"),
    (["train", "--config=semantic_gan/toy_faces:smoke", "--workdir="],
     "--workdir=: .*empty"),
    (["export", "--workdir=x", "--out="], "--out=: .*empty"),
    (["report", "--workdir=x", "--run=a=x"], "--run and --out go with"),
    (["report", "--workdir=x", "--out=x.html"], "--run and --out go with"),
    (["train_models", "--models=no"], "--models=no: choose from toy_faces"),
    (["report", "--metric=loss", "--run=a=x", "--run=a=y"],
     "two runs have the same name"),
    (["report", "--metric=loss", "--run==x"], "--run=NAME=FOLDER"),
    (["table", "--table=wbc", "--render", "--into=absent.md"],
     "--into=absent.md: no such file"),
    (["table", "--table=wbc", "--render", "--ready"],
     "--ready is for --commands alone"),
    (["table", "--table=wbc", "--render", "--runs=absent"],
     "--runs=absent: no such folder"),
    (["table", "--table=all", "--render", "--into=README.md"],
     "--into=README.md: no line <!-- table:NAME -->"),
    (["plan", "--config=semantic_gan/toy_faces:smoke", "--gradients"],
     "--gradients needs a --topology"),
])
def test_a_mistake_is_one_line(words, said):
  done = _run(*words)
  assert done.returncode == 1
  assert re.fullmatch(rf"error: .*{said}.*\n", done.stderr)


def test_a_commands_module_is_no_program():
  done = subprocess.run(
      [sys.executable, "-m", "semseg_jax.cli.prepare", "--name=folder"],
      cwd=_ROOT, text=True, capture_output=True, check=False)
  assert done.returncode == 1
  assert done.stderr == (
      "error: commands are run as: python -m semseg_jax COMMAND\n")
