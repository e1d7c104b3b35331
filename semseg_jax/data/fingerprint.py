"""A digest by which a run knows its data set again."""

import hashlib
import json

import numpy as np

from semseg_jax.data import datasets
from semseg_jax.data import sources

_READ = 4  # images of a split that are read where no facts are kept
COVERS = ("names and order of all images of all splits; of stored images size, "
          "digest of the bytes and the mask's pixels of each class; of others "
          f"the content of {_READ} images a split; of the labels names, "
          "colours, ignored index and flips")


def of(dataset: datasets.Dataset) -> str:
  """64 hexadecimal digits of what `COVERS` says; the same wherever it lies."""
  spec = dataset.spec
  digest = hashlib.sha256(_bytes([
      spec.class_names, spec.colors.tolist(), spec.ignore_index,
      spec.channels, spec.flip]))
  for name in sorted(dataset.splits):
    source = dataset.splits[name]
    digest.update(_bytes([name, source.labeled, source.ids]))
    facts = sources.facts(source)
    if facts is not None:
      digest.update(_bytes([
          [k, x.size, sorted(x.pixels.items()), x.turned, x.digest]
          for k, x in sorted(facts.items())]))
      continue
    count = len(source)
    for i in range(0, count, max(1, -(-count // _READ))):
      example = source[i]
      for key in ("image", "label"):
        if key in example:
          array = np.ascontiguousarray(example[key])
          digest.update(_bytes([key, array.shape, str(array.dtype)]))
          digest.update(array.tobytes())
  return digest.hexdigest()


def _bytes(value) -> bytes:
  return json.dumps(value).encode()
