"""Checks a file-based data set and prepares it for reading, once.

  python -m semseg_jax.cli.prepare --name=coffee_leaf --data_dir=DIR
"""

from absl import app
from absl import flags

from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import store

_NAME = flags.DEFINE_string("name", None, "Data set, a module of data/sets.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder with its files.")
_CACHE_DIR = flags.DEFINE_string(
    "cache_dir", None, "Where to keep the prepared form.")
_SIZE = flags.DEFINE_integer(
    "size", None, "Picture side the training will use.", lower_bound=4)


def main(argv):
  if len(argv) > 1:
    raise app.UsageError(f"unknown argument {argv[1]!r}")
  try:
    dataset = datasets.load(
        _NAME.value, data_dir=_DATA_DIR.value, cache_dir=_CACHE_DIR.value,
        size=_SIZE.value)
    datasets.verify(dataset, [k for k, v in dataset.splits.items() if len(v)])
  except errors.DataError as e:
    raise SystemExit(f"error: {e}") from e
  spec = dataset.spec
  print(f"{spec.name}: {spec.num_classes} classes "
        f"({', '.join(spec.class_names)})")
  for name, source in sorted(dataset.splits.items()):
    kind = "with masks" if source.labeled else "images only"
    print(f"  {name}: {len(source)} pictures, {kind}")
  print(f"  cache: {store.cache_root(_CACHE_DIR.value)}")


def run():
  """Entry point: parses the flags."""
  flags.mark_flag_as_required("name")
  app.run(main)


if __name__ == "__main__":
  run()
