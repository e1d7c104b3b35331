"""What a config's data set means for the batches of its stages."""

import itertools

import numpy as np
from PIL import Image
import pytest

from configs.repurpose_gan import folder as repurpose_folder
from configs.semantic_gan import folder as config_file
from semseg_jax.data import errors
from semseg_jax.methods.common import data
from tests.data import own_folder


@pytest.mark.parametrize(("first", "border"), [
    ("background", 0), ("rest", 0), ("sky", 250)])
def test_pixels_from_outside_are_background_or_do_not_count(
    tmp_path, first, border):
  """Where class 0 is a thing, an image's motion does not invent more of it."""
  files = own_folder.Folder(tmp_path / "set")
  files.classes((first, "leaf"), ignore_index=250)
  files.image("a.png", gray=200)
  files.mask("a.png", np.ones((6, 8), np.uint8))
  files.lists(all=["a"])
  config = config_file.get_config("size=16,classes=2,channels=3,cpu")
  config.data.update(data_dir=str(files.root), num_unlabeled=0,
                     cache_dir=str(tmp_path / "cache"))
  config.data.augment.update(affine=1.0, shift=0.5)
  seen = set()
  for batch in itertools.islice(data.train_batches(
      config, batch_size=8, unlabeled_batch_size=0, start_step=0), 2):
    label, image = batch["labeled"]["label"], batch["labeled"]["image"]
    seen |= set(np.unique(label).tolist())
    assert (label[image.max(-1) > 150] == 1).mean() > 0.95
  assert seen == {1, border}


@pytest.mark.parametrize(("changes", "trains"), [
    ({"stages": ("fully_supervised",)}, True),
    ({"stages": ("segmenter",), "shots.source": "projected"}, True),
    ({"stages": ("segmenter",), "shots.source": "folder"}, False),
    ({"stages": ("shots",)}, True),
    ({"stages": ("shots",), "shots.folder": "painted"}, False)])
def test_labels_of_annotators_and_shots_are_not_scored(
    tmp_path, changes, trains):
  files = own_folder.Folder(tmp_path / "set")
  files.classes(("background", "leaf"))
  for name in ("a", "b"):
    files.image(f"{name}.png")
    files.mask(f"{name}.png", np.ones((6, 8), np.uint8))
  files.lists(train_labeled=["a", "b"], test=["b"])
  config = repurpose_folder.get_config("size=16,classes=2,channels=3,cpu")
  config.data.update(
      data_dir=str(files.root), cache_dir=str(tmp_path / "cache"))
  config.update_from_flattened_dict(changes)
  for scored in ("test", "train_labeled"):
    config.data.in_domain = scored
    if trains:
      with pytest.raises(errors.DataError, match="allow_overlap"):
        data.check_overlap(config)
    else:
      data.check_overlap(config)
  data.check_overlap(config, ["train_labeled"])  # asked for
  if trains:
    with pytest.raises(errors.DataError, match="train_labeled and in test"):
      data.check_overlap(config, ["test"])


def test_a_scored_split_of_any_name_shares_nothing_with_the_pool(tmp_path):
  files = own_folder.Folder(tmp_path / "set")
  files.classes(("background", "leaf"))
  for name in "abc":
    files.image(f"{name}.png")
    files.mask(f"{name}.png")
  files.lists(train_labeled=["a", "b"], val=["c"])
  files.path("splits/holdout.txt").write_text("b\nc")
  config = config_file.get_config("size=16,classes=2,channels=3,cpu")
  config.data.update(data_dir=str(files.root), in_domain="val",
                     cache_dir=str(tmp_path / "cache"))
  data.check_overlap(config)  # what no score is of may hold training images
  message = "1 image stands in train_labeled and in holdout: b"
  with pytest.raises(errors.DataError, match=message):
    data.check_overlap(config, ["holdout"])
  for field in ("validation", "in_domain"):
    config.data.update(validation="val", in_domain="val")
    config.data[field] = "holdout"
    with pytest.raises(errors.DataError, match=message):
      data.check_overlap(config)


def test_a_config_without_a_data_set():
  config = config_file.get_config("size=16,classes=2,channels=3,cpu")
  config.data.name = ""
  with pytest.raises(ValueError, match="config.data.name is empty"):
    data.dataset(config)


def test_turned_photographs_are_said_before_training(tmp_path, caplog):
  files = own_folder.Folder(tmp_path / "set")
  files.classes(("background", "leaf"))
  exif = Image.Exif()
  exif[0x112] = 6
  files.image("a.jpg", exif=exif)
  files.mask("a.png", own_folder.MASK.T)
  files.image("b.png")
  files.mask("b.png")
  files.lists(train_labeled=["a"], test=["b"])
  config = repurpose_folder.get_config("size=16,classes=2,channels=3,cpu")
  config.data.update(
      data_dir=str(files.root), cache_dir=str(tmp_path / "cache"))
  data.remark(config)
  assert "EXIF orientations turn 1 image (a)" in caplog.text
