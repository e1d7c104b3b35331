"""Labels of many images in files: by shards, resumable, in constant memory.

Each shard is one tar file with two members for an image, <id>.png (class
indices at the image's own size) and <id>.json (confidence, size, what its file
was), as WebDataset reads them where ids have no dots, and beside it, if wanted,
PNGs for each image.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from concurrent import futures
import contextlib
import errno
import fcntl
import io
import itertools
import json
import os
import pathlib
import tarfile
import time
from typing import NamedTuple
import zlib

from absl import logging
import numpy as np
from PIL import Image

from semseg_jax.data import errors
from semseg_jax.data import image_files
from semseg_jax.data import sources
from semseg_jax.evaluation import figures
from semseg_jax.ops import image_ops
from semseg_jax.training import console
from semseg_jax.training import run_dir

KINDS = ("index", "color", "overlay", "reconstruction")
_FILE = "labels.json"
_BLOCK = 512  # of a tar file
_PIECE = 1 << 20  # bytes copied at once
_THREADS = 4  # that read and write images


class Labeled(NamedTuple):
  """Lists for some images: label int [H, W], confidence, uint8 [H, W, C] or
  None."""
  labels: Sequence[np.ndarray]
  confidence: Sequence[float]
  reconstructions: Sequence[np.ndarray] | None


class Summary(NamedTuple):
  """confidence {id: value}; unreadable {id: what is wrong}; new: how many were
  labeled by this call."""
  confidence: dict[str, float]
  unreadable: dict[str, str]
  new: int


def write(label: Callable[[list[np.ndarray], np.ndarray], Labeled],
          source: sources.Source, *, out_dir, method: str, class_names, colors,
          batch_size: int, fingerprint: str, shard: tuple[int, int] = (0, 1),
          kinds: Sequence[str] = KINDS) -> Summary:
  """Labels a shard of `source`; images that are in its file stay, unless
  `source` can say that theirs has changed since.

  Which shard an image is in, and the number that its random start hangs on,
  follow from its id alone: they stay where images are added. Shards are
  independent: any number of processes and hosts work side by side. A process
  that is killed has lost at most the last two batches.

  Args:
    label: (images uint8 [H, W, C] of any sizes, their numbers) -> Labeled.
    source: images.
    out_dir: folder for the shard's labels-*.tar and .json, labels.json and
      <id>_{index,color,overlay,reconstruction}.png; on a mounted file system.
    method: how they are labeled, for labels.json.
    class_names, colors: of the labels.
    batch_size: images of a call.
    fingerprint: stands for the model and its options.
    shard: (number from 0, how many).
    kinds: which PNGs are written beside the shard's file.

  Raises:
    ValueError: `out_dir` holds labels of another model or other shards, or
      another process is at work on this shard, or labels.json is damaged.
    errors.DataError: no image can be read. OSError: nothing can be written.
  """
  facts = {
      "fingerprint": fingerprint, "method": method, "shards": shard[1],
      "classes": list(class_names), "colors": np.asarray(colors).tolist()}
  mine = [i for i, name in enumerate(source.ids)
          if number_of(name) % shard[1] == shard[0]]
  confidence, unreadable = {}, {}
  with contextlib.ExitStack() as stack:
    # The shard is taken before another process may look at the folder.
    with _prepared(out_dir, facts) as folder:
      path = folder / shard_name(*shard)
      file = stack.enter_context(_locked(path))
    number = {source.ids[i]: i for i in mine}
    end, changed = 0, []
    for whole, name, facts in _examples(file):
      # Labels of former versions do not know their image's file.
      if "file" in facts and name in number and source.changed(
          number[name], facts["file"]):
        changed.append((name, end, whole))
      else:
        confidence[name] = facts["confidence"]
      end = whole
    if changed:
      logging.warning(
          "%s: %d images are not what they were when they were labeled (%s "
          "first): they are labeled again", path, len(changed), changed[0][0])
      for name, *_ in changed:
        for kind in KINDS:
          (folder / f"{name}_{kind}.png").unlink(missing_ok=True)
      file, end = _without(file, path, [x[1:] for x in changed], end, stack)
    # What was cut off is labeled again.
    file.truncate(end)
    file.seek(end)
    missing = [i for i in mine if source.ids[i] not in confidence]
    started = len(confidence)
    progress = console.Progress("label", started, len(mine))
    reported = time.monotonic()
    with tarfile.open(fileobj=file, mode="w") as tar, (
        futures.ThreadPoolExecutor(_THREADS)) as pool:
      # A batch's files are written while the next one is labeled.
      written = lambda: None
      for batch in _batches(pool, source, missing, batch_size, unreadable):
        labeled = label([x["image"] for x in batch],
                        np.array([number_of(x["id"]) for x in batch]))
        written()
        written = _writing(pool, folder, tar, file, batch, labeled, kinds,
                           colors, confidence, unreadable)
        if time.monotonic() - reported > 5.0:
          reported = time.monotonic()
          progress.report(len(confidence), {})
      written()
    if missing:
      progress.report(len(mine), {})
    _restore(path, folder, source,
             {name: number[name] for name in confidence if name in number},
             kinds, colors)
  run_dir.write_json(path.with_suffix(".json"), {
      "confidence": confidence, "unreadable": unreadable})
  if unreadable and not confidence:
    raise errors.DataError(
        f"none of {len(mine)} images can be read; the first: "
        f"{next(iter(unreadable.values()))}")
  return Summary(confidence, unreadable, len(confidence) - started)


def _restore(path, folder, source, number, kinds, colors) -> None:
  """Writes the PNGs that lack of a shard's labels: deleted, or wanted now.

  `number` is of the images that are in the shard. Reconstructions are not, so
  they stay away.
  """
  kinds = [k for k in kinds if k != "reconstruction"]
  lacking = {
      name: rest for name in number if (rest := [
          k for k in kinds if not os.path.exists(folder / f"{name}_{k}.png")])}
  if not lacking:
    return
  for name, label, _ in read(path):
    if name in lacking:
      _files(folder, source[number[name]], label, None, lacking[name], colors)


def read(path) -> Iterator[tuple[str, np.ndarray, float]]:
  """(id, labels uint8 [H, W], confidence) of a shard's tar file."""
  with tarfile.open(path) as tar:
    for member in tar:
      content = tar.extractfile(member).read()
      if member.name.endswith(".png"):
        label = np.asarray(Image.open(io.BytesIO(content)))
      else:
        yield (member.name.removesuffix(".json"), label,
               json.loads(content)["confidence"])


def shard_name(number: int, count: int) -> str:
  """labels-00002-of-00016.tar"""
  return f"labels-{number:05d}-of-{count:05d}.tar"


def number_of(name: str) -> int:
  """An image's number, from its id."""
  return zlib.crc32(name.encode()) & 0x7FFFFFFF


@contextlib.contextmanager
def _prepared(out_dir, facts) -> Iterator[pathlib.Path]:
  """The folder, with what is labeled in it, while no other process is here.

  Raises where it is something else: not where a call failed before its first
  image, which must not keep the mended one out.
  """
  if run_dir.in_bucket(out_dir):
    raise ValueError(f"--out={out_dir}: labels are appended to files: give a "
                     "folder of a mounted file system")
  folder = pathlib.Path(out_dir).expanduser()
  try:
    folder.mkdir(parents=True, exist_ok=True)
    file = os.fdopen(os.open(
        folder / _FILE, os.O_RDWR | os.O_CREAT, 0o666), "r+")
  except OSError as error:
    raise OSError(f"--out: {folder} cannot be written to "
                  f"({error.strerror or error})") from error
  with file:
    fcntl.flock(file, fcntl.LOCK_EX)
    text = file.read()
    try:
      there = dict(json.loads(text)) if text else {}
    except (TypeError, ValueError) as error:
      raise ValueError(
          f"{folder / _FILE} is damaged ({error}): give another folder, or "
          "delete the file and the labels-*.tar beside it") from None
    changed = [f"{k}: {there.get(k)} there, {v} now" for k, v in facts.items()
               if there.get(k) != v]
    if changed:
      shards = sorted(folder.glob("labels-*-of-*.tar"))
      if any(map(_in_use, shards)):
        raise ValueError(
            f"--out={folder} holds labels that were made otherwise "
            f"({'; '.join(changed)}): give another folder, or delete it"
            if there else
            f"{folder / _FILE} is missing or empty, so it is not known how the "
            "labels-*.tar beside it were made: give another folder, or delete "
            "them")
      for path in shards:
        path.unlink()
        path.with_suffix(".json").unlink(missing_ok=True)
    if changed:
      # In place, as it is the lock, but never empty on the way.
      file.seek(0)
      file.write(json.dumps(facts, indent=2) + "\n")
      file.truncate()
    yield folder


def _in_use(path) -> bool:
  """Whether a shard's file holds an image, or another process is at work."""
  try:
    with _locked(path) as file:
      return any(True for _ in _examples(file))
  except ValueError:
    return True


@contextlib.contextmanager
def _locked(path):
  """A file for reading and appending that no other process has."""
  with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file:
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      raise ValueError(
          f"{path}: another process is at work on this shard") from None
    yield file


def _without(file, path, gaps, end, stack):
  """(file, end) of a copy, in the place of a shard's file and locked like it,
  without some ranges of bytes."""
  temporary = path.with_suffix(".tmp")
  copy = stack.enter_context(_locked(temporary))
  copy.truncate(0)
  first = 0
  for start, after in [*gaps, (end, end)]:
    file.seek(first)
    while piece := file.read(min(_PIECE, start - file.tell())):
      copy.write(piece)
    first = after
  copy.flush()
  temporary.replace(path)
  return copy, copy.tell()


def _examples(file) -> Iterator[tuple[int, str, dict]]:
  """(end in the file, id, facts) of every image that is whole in a tar file."""
  size = os.fstat(file.fileno()).st_size
  try:
    with tarfile.open(fileobj=file, mode="r:") as tar:
      for member in tar:
        end = member.offset_data + -(-member.size // _BLOCK) * _BLOCK
        if end > size:
          return
        if member.name.endswith(".json"):
          yield (end, member.name.removesuffix(".json"),
                 json.loads(tar.extractfile(member).read()))
        tar.members.clear()  # it would keep all of them
  except (tarfile.ReadError, ValueError):
    return  # empty, or cut off here


def _batches(pool, source, indices, batch_size, unreadable):
  """Lists of up to `batch_size` readable examples, read ahead."""
  batch, rest = [], iter(indices)
  read = lambda count: [(i, pool.submit(source.__getitem__, i))
                        for i in itertools.islice(rest, count)]
  ahead = read(2 * batch_size)
  while ahead:
    i, example = ahead.pop(0)
    ahead += read(1)
    try:
      batch.append(example.result())
    except errors.DataError as error:
      unreadable[source.ids[i]] = str(error)
      logging.warning("left out: %s", error)
    if len(batch) == batch_size:
      yield batch
      batch = []
  if batch:
    yield batch


def _writing(pool, folder, tar, file, batch, labeled, kinds, colors,
             confidence, unreadable):
  """Starts to write a batch's files; the function that is returned waits, and
  then lets the shard know its images."""
  jobs = []
  reconstructions = labeled.reconstructions or [None] * len(batch)
  for example, label, reconstruction in zip(
      batch, labeled.labels, reconstructions, strict=True):
    jobs.append(pool.submit(
        _files, folder, example, label.astype(np.uint8), reconstruction,
        kinds, colors))

  def finish():
    for example, job, value in zip(
        batch, jobs, labeled.confidence, strict=True):
      name = example["id"]
      try:
        png = job.result()
      except errors.DataError as error:
        unreadable[name] = str(error)
        logging.warning("left out: %s", error)
        continue
      height, width = example["image"].shape[:2]
      facts = {"confidence": round(float(value), 6), "height": height,
               "width": width}
      if "file" in example:
        facts["file"] = example["file"]
      for ending, content in (
          ("png", png), ("json", json.dumps(facts).encode())):
        member = tarfile.TarInfo(f"{name}.{ending}")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
      tar.members.clear()
      confidence[name] = facts["confidence"]
    file.flush()

  return finish


def _files(folder, example, label, reconstruction, kinds, colors) -> bytes:
  """Writes an image's PNGs; returns that of the indices.

  Raises errors.DataError: the image's name leaves no room for a file's.
  """
  image, name = example["image"], example["id"]
  stem = folder / name
  if kinds and "/" in name:
    stem.parent.mkdir(parents=True, exist_ok=True)
  color = image_ops.colorize(label, colors)
  made = {"index": lambda: label, "color": lambda: color,
          "overlay": lambda: image_ops.overlay(image, color),
          "reconstruction": lambda: reconstruction}
  for kind in kinds:
    if kind != "reconstruction" or reconstruction is not None:
      try:
        figures.save(f"{stem}_{kind}.png", made[kind]())
      except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
          raise
        raise errors.DataError(
            f"{name}: its name is too long for that of {name}_{kind}.png: "
            "rename it, or leave files out (--files=)") from error
  return image_files.encode_png(label)
