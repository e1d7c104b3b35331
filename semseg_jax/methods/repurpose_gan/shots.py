"""The few labeled images: painted by hand, by a segmenter, or projected.

`config.shots.source`:

* "folder": a person painted samples that `semseg-jax sample` wrote.
* "fully_supervised": the stage `fully_supervised`, trained on all real labels,
  labels fresh samples: an annotator for experiments.
* "projected": real labeled images, inverted into the generator.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import painted
from semseg_jax.data import transforms
from semseg_jax.methods import fully_supervised
from semseg_jax.methods.common import data
from semseg_jax.methods.common import generators
from semseg_jax.methods.common import hypercolumns
from semseg_jax.methods.common import samples
from semseg_jax.methods.repurpose_gan import projection
from semseg_jax.ops import image_ops

# Numbers of samples of one trial; more images than anybody labels.
TRIAL = 1000


class Shots(NamedTuple):
  """Labeled images of a generator, all at the size of hypercolumns."""
  image: np.ndarray  # uint8 [n, S, S, C]
  label: np.ndarray  # int32 [n, S, S]
  # latents, noise: what the generator makes them of.
  latents: np.ndarray
  noise: tuple[np.ndarray, ...]


class Source(NamedTuple):
  """count: how many; load: generator -> Shots.

  nested: whether those of a smaller count are the first of a larger one.
  """
  count: int
  load: Callable[[generators.Trained], Shots]
  nested: bool = True


def source(config, workdir) -> Source:
  """The labeled images of `config.shots`; painted masks are read at once.

  Raises ValueError, errors.DataError: what is wrong with config or folder.
  """
  makers = {"folder": _painted, "fully_supervised": _annotated,
            "projected": _projected}
  if config.shots.source not in makers:
    raise ValueError(f"config.shots.source is {config.shots.source!r}; use one "
                     f"of {', '.join(makers)}")
  if config.shots.count < (config.shots.source != "folder"):
    raise ValueError(f"config.shots.count is {config.shots.count}: give the "
                     "number of labeled images")
  made = makers[config.shots.source](config, workdir)
  if config.shots.folder and config.shots.source != "folder":
    raise ValueError(
        f"config.shots.folder is {config.shots.folder!r}, but "
        f"config.shots.source is {config.shots.source!r}, which does not read "
        "it: set the source to 'folder', or the folder to ''")
  return made


def spec(config) -> datasets.Spec:
  """Names and colors of the classes: the painted folder's or the data set's.

  The data set's, too, while the generator is trained and nothing is painted.

  Raises errors.DataError: the config states another number of classes.
  """
  c = config.shots
  if c.source != "folder" or not c.folder and config.data.name:
    return data.dataset(config).spec
  return painted.spec(_folder(config), config.data.num_classes)


def _folder(config) -> str:
  if not config.shots.folder:
    raise ValueError(
        "config.shots.folder is empty: name the folder of painted images "
        "(written by semseg-jax sample), or set config.shots.source to another "
        "way")
  return config.shots.folder


def _painted(config, workdir):
  del workdir
  c = config.shots
  classes = painted.spec(_folder(config), config.data.num_classes)
  data.check_names(config, classes, c.folder)
  there = painted.names(c.folder)
  names = there[:c.count] if c.count else there
  if not names or len(names) < c.count:
    raise errors.DataError(
        f"{c.folder}: {len(there)} images have a mask, config.shots.count "
        f"asks for {c.count or 'at least one'}: paint <name>_mask.png or "
        "save LabelMe's <name>.json beside the images")
  read = painted.read_all(
      c.folder, names, classes, ignore_index=data.ignore_index(config))
  for example in read:
    if example["image"].shape[:2] != (config.data.size,) * 2:
      raise errors.DataError(
          f"{c.folder}/{example['id']}.png: "
          f"{example['image'].shape[1]} x {example['image'].shape[0]} pixels, "
          f"config.data.size is {config.data.size}: paint on the images as "
          "semseg-jax sample wrote them")
  labels = [x["label"] for x in read]

  def load(generator):
    sampled = samples.read(generator, c.folder, names)
    return _shots(config, sampled, labels)

  return Source(len(names), load)


def _annotated(config, workdir):
  c = config.shots
  if "fully_supervised" not in config.stages:
    raise ValueError(
        f"config.shots.source is {c.source!r}, which needs the stage "
        "'fully_supervised' in config.stages")

  def load(generator):
    first = TRIAL * c.trial
    sampled = samples.draw(
        generator, range(first, first + c.count), c.truncation)
    return _shots(config, sampled, annotate(config, workdir, sampled.image))

  return Source(c.count, load)


def annotate(config, workdir, images) -> list[np.ndarray]:
  """Labels uint8 [S, S] of images [n, ...] by the stage `fully_supervised`."""
  predict = fully_supervised.predictor(config, workdir)
  rows = [predict(x, None)["fully_supervised"]["logits"]
          for x in hypercolumns.single(images)]
  return [image_ops.to_label(np.asarray(r[0])).astype(np.uint8) for r in rows]


def _projected(config, workdir):
  c = config.shots

  def load(generator):
    del generator  # the projection loads it, too
    labeled = config.copy_and_resolve_references().unlock()
    labeled.data.update(num_labeled=c.count, split_seed=c.trial)
    chosen, _ = data.train_sources(labeled)
    examples = [chosen[i] for i in range(c.count)]
    images = np.stack([
        transforms.resize_image(x["image"], config.data.size)
        for x in examples])
    project = projection.make(config, workdir)
    projected = project(images, np.arange(c.count))
    return _shots(
        config, projected._replace(image=images),
        [x["label"] for x in examples])

  # A data set has a list for each count, in any order.
  return Source(c.count, load, nested=False)


def _shots(config, sampled, labels):
  side = hypercolumns.size(config)
  return Shots(
      np.stack([transforms.resize_image(x, side) for x in sampled.image]),
      np.stack([transforms.resize_label(x, side) for x in labels]).astype(
          np.int32), *jax.tree.map(np.asarray, sampled[1:]))
