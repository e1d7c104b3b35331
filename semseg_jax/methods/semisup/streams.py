"""The independent data streams of semi-supervised stages."""

import functools

from semseg_jax.data import errors
from semseg_jax.data import flips
from semseg_jax.data import pipeline
from semseg_jax.data import sources
from semseg_jax.data import subsets
from semseg_jax.data import views
from semseg_jax.methods.common import data
from semseg_jax.methods.semisup import classifiers


def batches(config, start_step: int, *, labeled: int, unlabeled: int,
            real: int = 0, color=None, strong: views.Strong | None = None):
  """Batches of "labeled", "unlabeled" and, for a discriminator, "real".

  "real" are labeled images, too, in an order of their own. A batch size of
  0 leaves a stream out; `color` are changes of the labeled images' colors.
  With `strong`, "unlabeled" has such a view of its images, pixel on pixel.
  """
  with_labels, without = data.train_sources(config)
  common = {"size": data.shape(config), "crop": data.crop_options(config)}
  plain = data.augment_options(config)
  streams = {"labeled": pipeline.labeled_stream(
      with_labels, labeled, seed=3 * config.seed,
      augment=data.augment_options(config, **(color or {})), **common)}
  if unlabeled:
    # Every image is labeled: all streams take all images.
    weak = streams["unlabeled"] = pipeline.unlabeled_stream(
        without or with_labels, unlabeled, seed=3 * config.seed + 1,
        augment=plain, **common)
    if strong:
      streams["unlabeled"] = weak._replace(change=lambda x, rng: views.in_place(
          weak.change(x, rng), rng, strong))
  if real:
    streams["real"] = pipeline.labeled_stream(
        with_labels, real, seed=3 * config.seed + 2, augment=plain, **common)
  return pipeline.batches(streams, **data.stream_rows(config, start_step))


def view_batches(config, start_step: int):
  """MLMT's batches: "labeled" {"image", "classes"}, and "unlabeled" with the
  weak view in "image", the strong one in "strong", and "classes" where
  `mlmt.image_labels` gives unlabeled images image-level labels.

  Raises errors.DataError: image-level labels of images that have none.
  """
  c = config.mlmt
  with_labels, without = data.train_sources(config)
  # Two views that flip on their own have one list of classes between them.
  rule = data.flip_rule(config)
  flip = rule is not None and not flips.exchanges(rule)
  weak = functools.partial(views.weak, flip=flip)
  prepare = functools.partial(
      views.prepared, size=classifiers.shape(config),
      num_classes=config.data.num_classes,
      ignore_index=data.ignore_index(config))
  streams = {"labeled": pipeline.Stream(
      with_labels, c.batch_size,
      functools.partial(prepare, with_classes=True), weak,
      3 * config.seed)}
  if c.unlabeled_batch_size:
    free = without or with_labels
    if c.image_labels:
      free = _with_image_labels(config, free)
    strong = views.Strong(**c.strong.to_dict())
    streams["unlabeled"] = pipeline.Stream(
        free, c.unlabeled_batch_size,
        functools.partial(prepare, with_classes=c.image_labels),
        lambda x, rng: views.both(x, rng, strong, flip=flip),
        3 * config.seed + 1)
  return pipeline.batches(streams, **data.stream_rows(config, start_step))


def _with_image_labels(config, free):
  """The unlabeled images from the labeled pool, where their labels are."""
  dataset = data.dataset(config)
  pool = dataset.splits[subsets.pool_of(dataset)]
  same = sources.same_images(free, pool)
  if missing := set(free.ids) - same.keys():
    raise errors.DataError(
        f"config.mlmt.image_labels: unlabeled image {min(missing)!r} of "
        f"data set {config.data.name!r} has no label, so its classes are not "
        "known; set the field to False")
  return sources.by_ids(pool, [same[i] for i in free.ids])
