"""The demo from nothing to its table, at toy size."""

import json

from etils import epath
import numpy as np
from PIL import Image
import pytest

from configs.semantic_gan import toy_faces
import semseg_jax
from semseg_jax import experiment
from semseg_jax.cli import demo as command
from semseg_jax.data import datasets
from semseg_jax.training import run_dir
from tests.methods import smoke

METHODS = (
    "supervised", "fully_supervised", "encoder", "inversion@2", "inversion")
STAGES = ("supervised", "fully_supervised", "gan", "encoder")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
  return smoke.demo(tmp_path_factory)


def test_table_holds_every_method(demo):
  folder, out = demo
  table = json.loads((folder / "table.json").read_text())
  assert list(table) == ["rows"]
  assert tuple(row["method"] for row in table["rows"]) == METHODS
  for row in table["rows"]:
    assert row["seeds"] == 1
    for column in ("in_domain_miou", "out_of_domain_miou"):
      assert isinstance(row[column], float)
  markdown = (folder / "table.md").read_text()
  for method in METHODS:
    assert f"| {method} " in markdown
    assert method in out


@pytest.mark.parametrize("split", ["test", "ood_test"])
def test_record_says_what_was_scored(demo, split):
  folder, _ = demo
  record = json.loads((folder / "eval" / split / "record.json").read_text())
  assert record["split"] == split
  assert set(record["methods"]) == set(METHODS)
  # The generator has no validation, and the last is kept.
  assert record["extra"]["checkpoint_steps"]["gan"] == 4
  assert set(record["extra"]["checkpoint_steps"]) == set(STAGES)
  assert record["extra"]["joint_model"]["samples"] == 8
  assert record["config"]["data"]["num_labeled"] == 20
  assert record["versions"]["jax"]
  for scores in record["methods"].values():
    assert scores["images"] == 6
  # The table is a rounding of the records.
  rows = json.loads((folder / "table.json").read_text())["rows"]
  column = {"test": "in_domain_miou", "ood_test": "out_of_domain_miou"}[split]
  for row in rows:
    np.testing.assert_allclose(
        row[column], record["methods"][row["method"]]["miou"], atol=5.1e-5)


def test_images_are_there(demo):
  folder, _ = demo
  for stage, names in {
      "supervised": ["labels"], "gan": ["samples", "labels"],
      "encoder": ["reconstructions"]}.items():
    for name in names:
      for step in (2, 4):
        path = folder / stage / "samples" / f"{name}_{step:07}.png"
        assert np.asarray(Image.open(path)).std() > 0, path
  with Image.open(folder / "domains.png") as image:
    assert min(image.size) > 5 * 96  # five methods, four images a split
  report = (folder / "report.html").read_text()
  assert all(f"<th>{method}</th>" in report for method in METHODS)
  for split in ("test", "ood_test"):
    results = folder / "eval" / split
    with Image.open(results / "overview.png") as image:
      assert min(image.size) > 16
    for method in METHODS:
      stem = f"{split}_00000_{method.replace('@', '_')}"
      assert (results / "predictions" / f"{stem}_index.png").exists()
      assert (results / "predictions" / f"{stem}_overlay.png").exists()


def test_second_call_trains_and_labels_nothing(demo):
  folder, _ = demo
  files = [*folder.glob("*/ckpt/*/_CHECKPOINT_METADATA"),
           *folder.glob("*/metrics.jsonl"), *folder.glob("*/DONE"),
           *folder.glob("eval/*/chunks/*.npz")]
  assert len(files) >= 4 + 4 + 4 + 4
  before = [path.stat().st_mtime_ns for path in files]
  table = (folder / "table.json").read_text()
  smoke.finish(smoke.start("-m", "semseg_jax", "demo",
                           f"--workdir={folder}", "--variant=smoke"))
  assert [path.stat().st_mtime_ns for path in files] == before
  assert (folder / "table.json").read_text() == table


def test_the_shipped_model_knows_the_labels_of_the_demo():
  config = lambda arg: toy_faces.get_config(f"{arg},demo,run={command.MODEL}")
  assert command.knows(config("labels=20,seed=0"))
  assert not command.knows(config("labels=10,seed=0"))
  assert not command.knows(config("labels=20,seed=1"))


def test_the_shipped_stages_are_those_of_the_demo(tmp_path):
  config = toy_faces.get_config(f"labels=20,demo,run={command.MODEL}")
  folder = epath.Path(tmp_path)
  experiment.adopt(config, folder, command.MODEL, ("label_head", "distilled"))
  assert run_dir.done_step(folder / "label_head") == 600
  assert run_dir.done_step(folder / "distilled")


def test_the_shipped_model_labels_faces_of_both_styles():
  """By the encoder, ahead of the baseline's 0.43 out of domain."""
  model = semseg_jax.load(command.MODEL)
  dataset = datasets.load("toy_faces", size=64, seed=0)
  for split, least in (("test", 0.5), ("ood_test", 0.45)):
    examples = [dataset.splits[split][i] for i in range(16)]
    result = model.segment([x["image"] for x in examples], "encoder")
    labels = np.stack([x["label"] for x in examples])
    predicted = np.stack(result.labels)
    ious = [((labels == k) & (predicted == k)).sum()
            / ((labels == k) | (predicted == k)).sum() for k in range(7)]
    assert np.mean(ious) > least
