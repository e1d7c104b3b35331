"""Miniature data sets on disk."""

import importlib
import json

import numpy as np
from PIL import Image
import pytest

from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import pipeline
from semseg_jax.data import subsets


def write_image(path, shape=(12, 16), seed=0, **options):
  path.parent.mkdir(parents=True, exist_ok=True)
  rng = np.random.default_rng(seed)
  Image.fromarray(rng.integers(0, 255, (*shape, 3), np.uint8)).save(
      path, **options)


def write_mask(path, array):
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(np.asarray(array, np.uint8)).save(path)


def write_lines(path, lines):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text("".join(f"{line}\n" for line in lines))


class Download:
  """Writes the files of a miniature download, loads and checks it."""

  def __init__(self, root):
    self.root = root

  def __call__(self, path):
    path = self.root / path
    path.parent.mkdir(parents=True, exist_ok=True)
    return path

  def image(self, path, shape=(24, 32), seed=0, **options):
    """Random gray (two numbers) or colored pixels, 8 bits a channel."""
    shape = shape if len(shape) == 3 else (*shape, 3)
    pixels = np.random.default_rng(seed).integers(0, 255, shape, np.uint8)
    self.save(path, pixels[..., 0] if shape[2] == 1 else pixels, **options)

  def save(self, path, array, palette=None, **options):
    """An array of any depth; `palette` colors make it a palette image."""
    image = Image.fromarray(np.asarray(array))
    if palette is not None:
      image.putpalette(np.asarray(palette, np.uint8).ravel().tolist())
    image.save(self(path), **options)

  def text(self, path, *lines):
    self(path).write_text("".join(f"{line}\n" for line in lines))

  def remove(self, pattern):
    paths = list(self.root.glob(pattern))
    assert paths, pattern
    for path in paths:
      path.unlink()

  @staticmethod
  def half(height, width, left):
    """A mask that is white on one side."""
    mask = np.zeros((height, width), np.uint8)
    mask[:, :width // 2] = 255 * left
    mask[:, width // 2:] = 255 * (not left)
    return mask

  def fails(self, name, *words, kind=errors.DataError, **options):
    """The data set is refused, with all `words` in the message."""
    with pytest.raises(kind) as error:
      self.load(name, **options)
    for word in words:
      assert word in str(error.value)

  def load(self, name, *, size=16, **options):
    dataset = datasets.load(
        name, data_dir=str(self.root),
        cache_dir=str(self.root.parent / "cache"), size=size, **options)
    datasets.verify(dataset, [k for k, v in dataset.splits.items() if len(v)])
    assert dataset.spec.licence
    assert dataset.spec.citation
    return dataset


@pytest.fixture
def check_config():
  """(name of a SemanticGAN config, data set): do they fit together?"""
  def check(name, dataset):
    config = importlib.import_module(
        f"configs.semantic_gan.{name}").get_config("labels=1").data
    spec, c = dataset.spec, config
    assert (c.num_classes, c.channels) == (spec.num_classes, spec.channels)
    assert c.ignore_index in (None, spec.ignore_index)
    assert {c.validation, c.in_domain, *c.out_of_domain} <= set(dataset.splits)
    labeled, unlabeled = subsets.select(
        dataset, num_labeled=c.num_labeled, num_unlabeled=c.num_unlabeled,
        split_seed=0)
    batch = next(pipeline.train_batches(
        labeled, unlabeled, size=32, batch_size=2, unlabeled_batch_size=2,
        seed=0))
    assert batch["labeled"]["label"].shape == (2, 32, 32)
    assert batch["unlabeled"]["image"].shape == (2, 32, 32, spec.channels)
  return check


@pytest.fixture
def download(tmp_path):
  return Download(tmp_path / "download")


@pytest.fixture
def tree(tmp_path):
  """A `folder` data set: 6 labeled, 3 unlabeled images, 3 classes."""
  root = tmp_path / "tiny"
  names = [f"p{i}" for i in range(9)]
  rng = np.random.default_rng(1)
  for i, name in enumerate(names):
    write_image(root / "images" / f"{name}.jpg", seed=i)
    if i < 6:
      mask = rng.integers(0, 3, (12, 16))
      mask[0, 0] = 255
      write_mask(root / "masks" / f"{name}.png", mask)
  write_lines(root / "splits/train_labeled.txt", names[:4])
  write_lines(root / "splits/val.txt", names[4:5])
  write_lines(root / "splits/test.txt", names[5:6])
  write_lines(root / "splits/unlabeled.txt", names[6:])
  write_lines(root / "splits/labeled_2_seed0.txt", ["p3", "p1"])
  (root / "classes.json").write_text(json.dumps({
      "classes": ["a", "b", "c"],
      "colours": [[0, 0, 0], [9, 9, 9], [1, 2, 3]], "ignore_index": 255}))
  return root
