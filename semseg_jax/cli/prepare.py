"""Checks a file-based data set and prepares it for reading, once.

  python -m semseg_jax.cli.prepare coffee_leaf --data_dir=DIR

The name may also be given as --name, the folder as --manual_dir, as TFDS calls
it: that of the unpacked download, or the one above it. What is missing there is
listed, with where to get it. --size decides how large the images of some sets
are stored.
"""

from absl import app
from absl import flags

from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import store

_NAME = flags.DEFINE_string(
    "name", None, "Data set, or data set/variant (docs/data.md): "
    + ", ".join(datasets.names()) + ".")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder with its files.")
flags.DEFINE_alias("manual_dir", "data_dir")
_CACHE_DIR = flags.DEFINE_string(
    "cache_dir", None, "Where to keep the prepared form.")
_SIZE = flags.DEFINE_integer(
    "size", None, "Image side the training will use.", lower_bound=4)


def main(argv):
  names = [*argv[1:], *([_NAME.value] if _NAME.value else [])]
  if len(names) != 1:
    raise app.UsageError(
        f"name one data set, not {names}; there are "
        f"{', '.join(datasets.names())}")
  try:
    dataset = datasets.load(
        names[0], data_dir=_DATA_DIR.value, cache_dir=_CACHE_DIR.value,
        size=_SIZE.value)
    datasets.verify(dataset, [k for k, v in dataset.splits.items() if len(v)])
  except errors.DataError as e:
    raise SystemExit(f"error: {e}") from e
  spec = dataset.spec
  print(f"{spec.name}: {spec.num_classes} classes "
        f"({', '.join(spec.class_names)})")
  for name, source in sorted(dataset.splits.items()):
    kind = "with masks" if source.labeled else "images only"
    volumes = len(set(getattr(source, "volumes", None) or ()))
    of = f" of {volumes} volumes" if volumes else ""
    print(f"  {name}: {len(source)} images{of}, {kind}")
  for field in ("licence", "citation"):
    if text := getattr(spec, field):
      print(f"  {field}: {text}")
  print(f"  cache: {store.cache_root(_CACHE_DIR.value)}")


def run():
  """Entry point: parses the flags."""
  app.run(main)


if __name__ == "__main__":
  run()
