"""Broken images: fatal by default, named and left out where allowed."""

import numpy as np
import pytest

from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import geometry
from semseg_jax.data import image_files
from semseg_jax.data import pipeline
from semseg_jax.data import sources
from semseg_jax.data import store
from semseg_jax.data import tolerance


def load(tree, broken=0):
  return datasets.load("folder", data_dir=str(tree), broken=broken,
                       cache_dir=str(tree.parent / "cache"))


def spoil(tree, *names):
  for name in names:
    (tree / f"images/{name}.jpg").write_bytes(b"no image")


def test_broken_file_is_left_out_where_allowed(tree, caplog):
  spoil(tree, "p2", "p7")
  with pytest.raises(errors.DataError, match=r"^\S*p2.jpg: "):
    load(tree)
  with pytest.raises(errors.DataError, match="2 broken.*allows 1.*p2.jpg"):
    load(tree, 1)
  dataset = load(tree, 2)
  pool = dataset.splits["train_labeled"]
  assert list(sources.broken(pool)) == ["p2"]
  subset = sources.by_ids(pool, ["p3", "p2"])
  assert sources.sound(subset).ids == ("p3",)
  assert "1 broken images" in caplog.text
  assert "p2.jpg" in caplog.text
  assert sources.sound(dataset.splits["val"]) is dataset.splits["val"]
  datasets.verify(dataset, ["val", "test"])
  # What was prepared leniently is not used strictly.
  with pytest.raises(errors.DataError, match="p2.jpg"):
    load(tree)


def test_no_score_without_every_image(tree):
  spoil(tree, "p5")
  with pytest.raises(errors.DataError, match="'test' cannot be scored.*p5"):
    datasets.verify(load(tree, 5), ["val", "test"])


def test_damaged_record_is_named(tree):
  dataset = load(tree)
  cache, = (tree.parent / "cache").iterdir()
  for path in cache.rglob("*.array_record*"):
    content = path.read_bytes()
    path.write_bytes(bytes(len(content)))
  with pytest.raises(errors.DataError, match="p0: its record in .* damaged"):
    dataset.splits["train_labeled"][0]


def test_broken_images_of_a_volume(tmp_path):
  spec = datasets.Spec(
      name="slices", class_names=("a", "b"), colors=np.zeros((2, 3), np.uint8))
  path = tmp_path / "volume"
  path.write_bytes(b"")
  items = [store.Item("v", str(path))]
  image = image_files.encode_png(np.zeros((4, 4, 3), np.uint8))

  def expand(item, channels):
    del item, channels
    for i in range(3):
      yield str(i), b"none" if i == 1 else image, None

  def opened():
    return store.open_splits(
        spec, {"train": items}, volumes=True, expand=expand,
        cache_dir=str(tmp_path / "cache"))["train"]

  with pytest.raises(errors.DataError, match="^\\S*volume: "):
    opened()
  with tolerance.of(1):
    source = opened()
    with tolerance.of(None):
      opened()
  assert source.ids == ("v_0", "v_1", "v_2")
  assert list(sources.broken(source)) == ["v_1"]
  viewed = geometry.Viewed(source, shape=(2, 2))
  assert list(sources.broken(viewed)) == ["v_1"]
  assert sources.sound(source).volumes == ("v", "v")


class Failing:
  """Images of one value each, of which some cannot be read."""

  labeled = False

  def __init__(self, n, bad):
    self.ids = tuple(f"p{i}" for i in range(n))
    self._bad = bad

  def __len__(self):
    return len(self.ids)

  def __getitem__(self, index):
    if index in self._bad:
      raise errors.DataError(f"{self.ids[index]}: damaged")
    return {"image": np.full((4, 4, 3), index, np.uint8)}


def batches(count, bad, broken, start=0, **options):
  stream = pipeline.train_batches(
      None, Failing(6, bad), size=4, batch_size=0, unlabeled_batch_size=4,
      seed=0, start_step=start, broken=broken,
      augment=pipeline.AugmentOptions(flip_unlabeled=0.0), **options)
  return np.stack([next(stream)["unlabeled"]["image"][:, 0, 0, 0]
                   for _ in range(count)])


def test_an_image_that_fails_in_training_is_replaced(caplog):
  values = batches(6, {2, 3}, 2)
  whole = batches(6, {}, 0)
  expected = whole.copy()
  expected[(whole == 2) | (whole == 3)] = 4
  np.testing.assert_array_equal(values, expected)
  lines = [r.message for r in caplog.records if "left out" in r.message]
  assert len(lines) == 2
  assert any("p2" in x for x in lines)
  # The same images after a resume and on two processes.
  np.testing.assert_array_equal(batches(3, {2, 3}, 2, start=3), values[3:])
  halves = [batches(6, {2, 3}, 2, process_index=i, process_count=2)
            for i in (0, 1)]
  np.testing.assert_array_equal(np.concatenate(halves, axis=1), values)


def test_more_than_allowed_ends_training():
  with pytest.raises(errors.DataError, match="^p2: damaged"):
    batches(6, {2}, 0)
  with pytest.raises(errors.DataError, match="2 broken.*allows 1"):
    batches(6, {2, 3}, 1)
