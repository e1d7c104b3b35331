"""Checks a file-based data set, prepares it for reading and says what it holds.

  semseg-jax prepare coffee_leaf --data_dir=DIR
  semseg-jax prepare --data_dir=MY_SET --split=0.8,0.1,0.1

The name may also be given as --name, the folder as --manual_dir, as TFDS calls
it: that of the unpacked download, or the one above it. What is missing there is
listed, with where to get it. --size decides how large the images of some sets
are stored.

Without a name the folder is one's own: images with masks, with annotations of
LabelMe, COCO, CVAT or VOC, or alone (docs/add_a_dataset.md). --split writes its
lists, and classes.json where that is missing.
"""

import pathlib
import re
import shlex

from absl import flags

from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import new_folder
from semseg_jax.data import statistics
from semseg_jax.data import store
from semseg_jax.data.sets import folder
from semseg_jax.training import console


def define_flags():
  """See --help."""
  flags.DEFINE_string(
      "name", None, "Data set, or data set/variant (docs/data.md): "
      + ", ".join(datasets.names()) + ".")
  flags.DEFINE_string("data_dir", None, "Folder with its files.")
  flags.DEFINE_alias("manual_dir", "data_dir")
  flags.DEFINE_string(
      "cache_dir", None, "Where to keep the prepared form.")
  flags.DEFINE_integer(
      "size", None, "Image side the training will use.", lower_bound=4)
  flags.DEFINE_list(
      "split", [], "Fractions for training, validation and test: divides the "
      "annotated images of one's own folder and writes the lists.")
  flags.DEFINE_integer("seed", None, "Of --split; else 0.", lower_bound=0)
  flags.DEFINE_list(
      "classes", [], "Names of the classes of one's own folder, in order.")
  flags.DEFINE_integer(
      "max_unreadable", 0, "Images that may be unreadable; each is named.",
      lower_bound=0)


def main(argv):
  console.setup()
  given = flags.FLAGS
  names = [*argv[1:], *([given.name] if given.name else [])]
  if not names and given.data_dir:
    names = ["folder"]
  if len(names) != 1:
    raise SystemExit(
        "error: give --data_dir=FOLDER alone for images of your own, or one "
        f"data set's name; there are {', '.join(datasets.names())}")
  if not given.data_dir and names[0].partition("/")[0] not in (
      datasets.names()) and pathlib.Path(names[0]).is_dir():
    raise SystemExit(f"error: {names[0]} is a folder: give it as semseg-jax "
                     f"prepare --data_dir={names[0]}")
  before = _written()
  try:
    notes = _new_lists(names[0])
    dataset = datasets.load(
        names[0], data_dir=given.data_dir, cache_dir=given.cache_dir,
        size=given.size, broken=given.max_unreadable)
    if not given.max_unreadable:
      datasets.verify(dataset, [k for k, v in dataset.splits.items() if len(v)])
    warned, more = [], []
    if names == ["folder"]:
      notes += folder.remarks(given.data_dir, dataset)
      warned, more = _unscored(dataset)
    print(report(dataset, notes, warned), flush=True)
  except BaseException as e:
    # They would refuse the mended folder, an empty `splits` its lists.
    for path in sorted(_written() - before, reverse=True):
      path.rmdir() if path.is_dir() else path.unlink()
    if not isinstance(e, OSError | ValueError):
      raise
    # The flags here are fields of a config there.
    text = re.sub(r"^data\.(data_dir|name):", r"--\1:", str(e))
    raise SystemExit(f"error: {text}{_own_layout(names[0])}") from e
  print(f"\ncache: {store.cache_root(given.cache_dir)}")
  if names == ["folder"] and more is not None:
    print(_next_command(dataset, more))


def report(dataset: datasets.Dataset, notes=(), warned=()) -> str:
  """What `prepare` prints of a data set: a table, warnings and notes.

  `notes` and `warned` are further notes and warnings.
  """
  spec = dataset.spec
  summaries = statistics.summarize(dataset)
  lines = [
      f"{spec.name}: {spec.num_classes} "
      f"{'class' if spec.num_classes == 1 else 'classes'} "
      f"({', '.join(spec.class_names)}), {spec.ignore_index} = ignored, "
      f"{'RGB' if spec.channels == 3 else 'gray'}",
      "", statistics.table(dataset, summaries), ""]
  lines += [f"warning: {x}" for x in (
      *warned, *statistics.warnings(dataset, summaries))]
  lines += [f"note: {x}" for x in (*notes, *statistics.notes(dataset))]
  lines += [f"{field}: {text}" for field in ("licence", "citation")
            if (text := getattr(spec, field))]
  return "\n".join(lines).rstrip()


def _new_lists(name):
  """Writes lists and classes.json where they are missing, or as asked."""
  given = flags.FLAGS
  asked = given.split or given.classes
  if given.seed is not None and not given.split:
    raise errors.DataError("--seed is that of --split, which is not given")
  if name != "folder":
    if asked:
      raise errors.DataError(
          f"--split and --classes are for one's own folder; {name!r} brings "
          "its lists and classes")
    return []
  root = folder.locate(given.data_dir)
  complete = (root / "splits").is_dir() and (
      (root / "classes.json").exists() or not new_folder.has_lists(root))
  if not asked and (complete or not folder.annotated(root)):
    return []
  try:
    split = [float(x) for x in given.split]
  except ValueError as e:
    raise errors.DataError(
        f"--split={','.join(given.split)}: give three fractions, such as "
        "0.8,0.1,0.1") from e
  return new_folder.write(
      root, split=split, seed=given.seed or 0, classes=given.classes)


def _written():
  """What `new_folder.write` writes, as far as it is there."""
  root = pathlib.Path(flags.FLAGS.data_dir or "").expanduser()
  return {*root.glob("splits"), *root.glob("splits/*.txt"),
          *root.glob("classes.json")}


def _own_layout(name):
  """What to do where the folder of a named data set is one's own."""
  root = flags.FLAGS.data_dir
  if name == "folder" or not root or not (
      pathlib.Path(root).expanduser() / "classes.json").is_file():
    return ""
  return (f". {root} has a classes.json: leave the name out, as in semseg-jax "
          f"prepare --data_dir={root}")


def _unscored(dataset):
  """Warnings of a folder without `val` or `test`, and flags that help.

  These are None where none do.
  """
  if not _labeled(dataset):
    return [], []
  missing = {"val", "test"} - {k for k, v in dataset.splits.items() if len(v)}
  if missing:
    if len(missing) == 2:
      return ["no lists val and test: no run can choose a checkpoint or be "
              "scored; list some images in splits/val.txt and splits/test.txt"
              ], None
    name, = missing
    other, = {"val", "test"} - missing
    field = {"val": "validation", "test": "in_domain"}[name]
    return [f"no list {name}: a run needs --config.data.{field}={other}, and "
            "its scores are those of images that chose its checkpoint"], [
                f"--config.data.{field}={other}"]
  return [], []


def _labeled(dataset):
  return any(s.labeled and len(s) for s in dataset.splits.values())


def _next_command(dataset, more):
  """The command that trains on the folder, with `more` flags."""
  spec = dataset.spec
  root = pathlib.Path(flags.FLAGS.data_dir)
  config = ("configs/semantic_gan/folder.py:size=64,"
            f"classes={max(spec.num_classes, 2)},channels={spec.channels},"
            f"{'' if _labeled(dataset) else 'labels=0,'}fitted,cpu")
  return "next (on a GPU without cpu: wider, longer): " + (
      shlex.join([
          "semseg-jax", "train", f"--config={config}",
          f"--config.data.data_dir={root}", *more,
          f"--workdir=runs/{spec.name}"]))
