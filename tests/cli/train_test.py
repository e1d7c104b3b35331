"""Mistakes of users of train.py and eval.py: one clear line each."""

import json
import re
import shutil

import numpy as np
from PIL import Image
import pytest

from configs.semantic_gan import folder as folder_config
from semseg_jax import experiment
from semseg_jax import stages
from semseg_jax.methods.common import checks
from semseg_jax.methods.common import data as data_lib
from semseg_jax.training import run_dir
from tests.cli.on_folder import config_of as on_folder
from tests.methods import smoke

# (script, flags besides config and workdir, the one line that it says)
COMMANDS = [
    ("train.py", ["--config.gan.stepz=3"], "--config.gan.stepz=3.*'steps'"),
    ("train.py", ["--config.gan.steps=1", "--config.shots.steps=3"],
     "--config.shots"),
    ("train.py", ["--config.encoder.learning_rate=1",
                  "--config.data.learning_rate=1"],
     "--config.data.learning_rate=1"),
    ("train.py", ["--config.gan.steps=many"], "config.gan.steps=many"),
    ("train.py", ["--stage=gann"], "'gann'"),
    ("train.py", ["extra"], "'extra'"),
    ("eval.py", [], "'supervised'.*semseg-jax train"),
    ("eval.py", ["--config=configs/absent.py"], "configs/absent.py"),
    ("eval.py", [f"--config={smoke.CONFIG},smoky"], "'smoky'.*smoke"),
]

# Each command in a process of its own, all after one import of the package.
_EACH = """
import json, os, runpy, sys
import semseg_jax.experiment
for i, command in enumerate(json.loads(sys.argv[1])):
  child = os.fork()
  if not child:
    sys.stderr.flush()
    os.dup2(os.open(f"{sys.argv[2]}/{i}", os.O_CREAT | os.O_WRONLY), 2)
    sys.argv = command
    runpy.run_path(command[0], run_name="__main__")
  print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_command_line(tmp_path):
  workdir = tmp_path / "run"
  out = smoke.finish(smoke.start("-c", _EACH, json.dumps([
      [script, f"--config={smoke.CONFIG}", f"--workdir={workdir}", *flags]
      for script, flags, _ in COMMANDS]), tmp_path))
  assert out.split() == ["1"] * len(COMMANDS)
  for i, (*_, said) in enumerate(COMMANDS):
    line = smoke.only_error((tmp_path / str(i)).read_text())
    assert re.search(said, line), line
  assert not workdir.exists()


def error(config, folder, capsys, function=experiment.train, **arguments):
  """The line that ends a command which may not begin to train."""
  with pytest.raises(SystemExit) as caught:
    experiment.run(function, config, folder, **arguments)
  assert isinstance(caught.value.code, str)  # Python prints it, and exits 1
  assert "step 1/" not in capsys.readouterr().err
  return smoke.only_error(caught.value.code)


def _missing(data):
  (data / "images/p1.png").unlink()
  return "train_labeled.txt.*'p1'"


def _empty_split(data):
  (data / "splits/val.txt").write_text("\n")
  return "'val'.*empty"


def _no_split(data):
  (data / "splits/test.txt").unlink()
  return "no split 'test'"


def _no_folder(data):
  shutil.rmtree(data)
  return "data.data_dir"


@pytest.mark.parametrize("spoil", [
    _missing, _empty_split, _no_split, _no_folder])
def test_data(data, tmp_path, capsys, spoil):
  said = spoil(data)
  line = error(on_folder(data), tmp_path / "run", capsys)
  assert re.search(said, line), line
  assert not (tmp_path / "run").exists()


def test_a_run_in_training_keeps_its_records(data, tmp_path, capsys):
  with run_dir.alone(tmp_path / "run"):
    line = error(on_folder(data), tmp_path / "run", capsys)
  assert "another process is training there" in line
  assert not any((tmp_path / "run").iterdir())


@pytest.mark.parametrize(("changes", "said"), [
    ({"data.num_labeled": 5}, "data.num_labeled=5.*only 4"),
    ({"data.num_classes": 3},
     "config.data.num_classes is 3.*2 classes.*:classes=2.*data.num_classes=2"),
    ({"data.channels": 1}, "config.data.channels is 1.*of 3.*:channels=3"),
    ({"data.size": 48}, "config.data.size must be a power of two"),
    ({"data.name": "nowhere"}, "no data set 'nowhere'"),
    # Of a later stage, yet said before the first one trains.
    ({"encoder.kind": "vit"}, "config.encoder.kind is 'vit'"),
    ({"encoder.optimizer": "sgd"}, "config.encoder.optimizer is 'sgd'"),
    ({"stages": ("supervised", "gann")}, "config.stages.*'gann'"),
    ({"stages": ("gan", "supervised"), "data.num_labeled": 0},
     "'supervised'.*config.data.num_labeled"),
    ({"perceptual.weights": "absent.safetensors"}, "absent.safetensors"),
    ({"monitor.inception": "absent.safetensors"}, "absent.safetensors"),
    # What would show only when the GAN trains, is watched, or is inverted.
    ({"gan.batch_size": 6}, "config.gan.batch_size is 6.*multiple of 4"),
    ({"generator.channels_per_resolution": (32, 4)},
     r"config.generator.channels_per_resolution is \(32, 4\): give pairs"),
    ({"monitor.samples": 1}, "config.monitor.samples is 1"),
    ({"data.num_unlabeled": 1}, "there are 1 unlabeled images"),
    ({"inversion.snapshots": (2, 9)}, "config.inversion.snapshots has 9"),
    ({"data.ignore_index": 250}, "config.data.ignore_index is 250.*255"),
    # Values that no run can mean.
    ({"seed": -1}, "config.seed is -1: give 0 or more"),
    ({"seed": 2**63}, "config.seed is 9223372036854775808: give at most 4294"),
    ({"data.split_seed": 2**32}, "config.data.split_seed is 4294967296: give"),
    ({"few_shot.decay_epochs": 0}, "decay_epochs is 0: give 1 or more"),
    ({"supervised.batch_size": 0}, "config.supervised.batch_size is 0"),
    ({"encoder.unlabeled_batch_size": 0}, "unlabeled_batch_size is 0"),
    ({"supervised.learning_rate": float("nan")},
     "config.supervised.learning_rate is nan"),
    ({"supervised.learning_rate": float("inf")},
     "config.supervised.learning_rate is inf"),
    ({"gan.style_mixing_prob": 2.0}, "config.gan.style_mixing_prob is 2.0"),
    ({"data.augment.flip_labeled": 1.5}, "flip_labeled is 1.5.*at most 1"),
    ({"gan.augment.policy": ("colour",)}, "config.gan.augment.policy.*color"),
    ({"data.geometry.shape": (32,)},
     r"config.data.geometry.shape is \(32,\): give 0 or 2 numbers"),
    ({"encoder.blocks": (1, 1)}, "config.encoder.blocks is .*give 4 numbers"),
    ({"segmenter.blocks": (1,)}, "config.segmenter.blocks is .*give 0 or 4"),
    ({"encoder.blocks": (0, 1, 1, 1)}, "config.encoder.blocks is 0: give 1"),
    ({"dtype": "bf16"}, "config.dtype is 'bf16'.*bfloat16"),
    ({"dtype": "float16"}, "config.dtype is 'float16'.*bfloat16"),
    ({"stages": ()}, "config.stages is empty"),
    ({"stages": ("supervised", "supervised")}, "config.stages.*twice"),
    ({"data.in_domain": "train_labeled"}, "'train_labeled'.*allow_overlap"),
])
def test_config(data, tmp_path, capsys, changes, said):
  line = error(on_folder(data, **changes), tmp_path / "run", capsys)
  assert re.search(said, line), line
  assert not (tmp_path / "run").exists()


def test_images_without_masks_cannot_be_scored(data, tmp_path, capsys):
  (data / "splits/unlabeled.txt").write_text("p5\n")
  line = error(on_folder(data, **{"data.in_domain": "unlabeled"}),
               tmp_path / "run", capsys)
  assert re.search("'unlabeled'.*cannot be scored", line), line


def test_labeled_images_that_are_scored_too(data, tmp_path, capsys):
  (data / "splits/test.txt").write_text("p5\np0\n")
  line = error(on_folder(data), tmp_path / "run", capsys)
  assert re.search("train_labeled and in test: p0.*allow_overlap", line), line
  assert not (tmp_path / "run").exists()
  experiment.check_data(on_folder(data, **{"data.allow_overlap": True}))


def test_masks_of_0_and_255_are_no_two_classes(data, tmp_path, capsys):
  """All would be background or ignored, hence scored as right."""
  for path in (data / "masks").glob("*.png"):
    Image.fromarray(255 * np.asarray(Image.open(path))).save(path)
  line = error(on_folder(data), tmp_path / "run", capsys)
  assert '"values": {"0": 0, "255": 1}' in line
  assert not (tmp_path / "run").exists()


def test_the_ignore_index_is_the_data_sets(data):
  classes = json.loads((data / "classes.json").read_text())
  (data / "classes.json").write_text(json.dumps(
      classes | {"ignore_index": 250}))
  mask = np.full((16, 16), 250, np.uint8)
  mask[:4] = 1
  Image.fromarray(mask).save(data / "masks/p0.png")
  config = on_folder(data, **{"data.num_labeled": -1})
  assert data_lib.ignore_index(config) == 250
  labeled, _ = data_lib.train_sources(config)
  assert {250} < set(np.unique(labeled[list(labeled.ids).index("p0")]["label"]))


def test_home_folder_and_folders_that_cannot_be_written(
    data, tmp_path, capsys, monkeypatch):
  monkeypatch.setenv("HOME", str(tmp_path))
  changes = {"data.data_dir": "~/data", "data.cache_dir": "~/kept"}
  experiment.check_data(on_folder(data, **changes))
  assert (tmp_path / "kept").is_dir()
  (tmp_path / "file").write_text("")
  line = error(on_folder(data, **{"data.cache_dir": str(tmp_path / "file/x")}),
               tmp_path / "run", capsys)
  assert "--config.data.cache_dir" in line
  line = error(on_folder(data), tmp_path / "file/run", capsys)
  assert str(tmp_path / "file") in line


def test_images_alone_train_a_generator(data, tmp_path):
  for name in ("masks", "splits", "classes.json"):
    path = data / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
  config = folder_config.get_config("size=16,channels=3,labels=0,smoke")
  config.data.update(data_dir=str(data), cache_dir=str(tmp_path / "cache"))
  config.lock()
  assert config.stages == ("gan",)
  experiment.check_data(config)
  stage = stages.make(config, tmp_path, "gan")
  assert stage.phases(0)
  checks.check(config, config.stages)
  assert next(stage.train_data(0))["unlabeled"]["image"].shape == (4, 16, 16, 3)


def test_workdir_is_a_file(data, tmp_path, capsys):
  (tmp_path / "run").write_text("")
  line = error(on_folder(data), tmp_path / "run", capsys)
  assert str(tmp_path / "run") in line


def test_encoder_before_the_generator(data, tmp_path, capsys):
  config = on_folder(data, stages=("supervised", "encoder"))
  for only in (["encoder"], []):
    line = error(config, tmp_path / "run", capsys, only=only)
    assert re.search("stage 'encoder' needs.*stage 'gan'", line), line
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
  return smoke.demo(tmp_path_factory)[0]


@pytest.fixture
def workdir(trained, tmp_path):
  """A trained run's folder that a test may spoil."""
  smoke.copy_stages(trained, tmp_path / "run", "gan", "supervised")
  return tmp_path / "run"


def test_run_of_another_config(workdir, capsys):
  config = smoke.config()
  config.gan.update(r1_gamma=3.0, steps=5)  # the steps may differ
  line = error(config, workdir, capsys, only=["gan"])
  assert str(workdir / "gan") in line
  text = json.loads((workdir / "gan/config.json").read_text())
  assert text["gan"]["r1_gamma"] != 3.0
  assert text["gan"]["steps"] == 4


def test_mismatch_lists_exactly_the_fields(workdir):
  shutil.rmtree(workdir / "supervised")
  config = smoke.config()
  config.gan.update(r1_gamma=3.0, steps=5)
  config.data.num_labeled = 19
  with pytest.raises(ValueError, match="gan.r1_gamma") as caught:
    experiment.train(config, workdir, only=["gan"])
  shown = [line.split(":")[0].strip() for line in
           str(caught.value).splitlines() if line.startswith("  ")]
  assert shown == ["data.num_labeled", "gan.r1_gamma"]


def test_later_stage_of_another_config_stops_before_training(workdir):
  shutil.rmtree(workdir / "supervised")
  config = smoke.config()
  config.gan.r1_gamma = 3.0
  with pytest.raises(ValueError, match="gan.r1_gamma"):
    experiment.train(config, workdir, only=["supervised", "gan"])
  assert not (workdir / "supervised").exists()


@pytest.mark.parametrize("function", [experiment.train, experiment.evaluate])
def test_checkpoint_of_another_architecture(workdir, capsys, function):
  config = smoke.config()
  config.gan.steps = 5
  config.supervised.update(steps=5, width=8)
  config.stages = ("supervised",)
  (workdir / "supervised/config.json").unlink()
  line = error(config, workdir, capsys, function)
  assert str(workdir / "supervised/ckpt") in line
  assert "another architecture" in line


def test_evaluation_of_an_unknown_split(workdir, capsys):
  line = error(smoke.config(), workdir, capsys, experiment.evaluate,
               splits=["tset"])
  assert re.search("no split 'tset'.*test", line), line


def test_evaluation_of_no_batch(workdir, capsys):
  config = smoke.config()
  config.evaluation.update(batch_size=0)
  line = error(config, workdir, capsys, experiment.evaluate)
  assert "config.evaluation.batch_size is 0: give 1 or more" in line
