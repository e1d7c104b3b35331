"""What a run writes while it trains: metrics.jsonl and TensorBoard.

The only importer of clu and tensorboardX.
"""

import json
import math
import sys
import time
import types

from etils import epath
import numpy as np
import tensorboardX

from semseg_jax.training import console
from semseg_jax.training import run_dir

try:
  import tensorflow  # noqa: F401
except ImportError:
  # clu imports TensorFlow at package level for this one module only; with a
  # stand-in the rest of clu works without it.
  _stub = types.ModuleType("clu.metric_writers.summary_writer")
  _stub.SummaryWriter = None
  sys.modules.setdefault("clu.metric_writers.summary_writer", _stub)

from clu import metric_writers  # noqa: E402
from clu.metric_writers import interface  # noqa: E402


class TensorBoardWriter(interface.MetricWriter):
  """Event files through tensorboardX, without TensorFlow."""

  def __init__(self, logdir, first_step: int = 0):
    # Events of a former attempt at or after first_step are hidden.
    self._writer = tensorboardX.SummaryWriter(
        str(logdir), purge_step=first_step or None)

  def write_scalars(self, step, scalars):
    for name, value in scalars.items():
      self._writer.add_scalar(name, float(value), step)

  def write_images(self, step, images):
    for name, value in images.items():
      self._writer.add_images(
          name, np.asarray(value), step, dataformats="NHWC")

  def _unused(self, *args, **kwargs):
    raise NotImplementedError("runs write scalars and images")

  write_audios = write_histograms = write_hparams = _unused
  write_summaries = write_texts = write_videos = _unused

  def flush(self):
    self._writer.flush()

  def close(self):
    self._writer.close()


def create(logdir, first_step: int = 0) -> interface.MetricWriter:
  """Asynchronous writer to TensorBoard.

  With --verbosity=1 also to the log; the progress line has the main values.
  """
  writers = [metric_writers.LoggingWriter()] if console.verbose() else []
  return metric_writers.AsyncMultiWriter(
      [*writers, TensorBoardWriter(logdir, first_step)])


def read_metrics(path) -> list[dict]:
  """Lines of a metrics.jsonl; unreadable (truncated) lines are left out."""
  path = epath.Path(path)
  if not path.exists():
    return []
  lines = []
  for text in path.read_text().splitlines():
    try:
      line = json.loads(text)
    except json.JSONDecodeError:
      continue
    if isinstance(line, dict) and "step" in line:
      lines.append(line)
  return lines


class MetricsFile:
  """metrics.jsonl: one JSON object a line, {"step", "seconds", metrics...}.

  Lines after `first_step`, left by an attempt that went further than its last
  checkpoint, are dropped when the file is opened. "seconds" is the wall-clock
  time since then: the only field that differs between equal runs.
  """

  def __init__(self, path, *, first_step: int):
    path = epath.Path(path)
    earlier = [x for x in read_metrics(path) if x["step"] <= first_step]
    self._text = "".join(json.dumps(x) + "\n" for x in earlier)
    run_dir.write_bytes(path, self._text.encode())
    # Nothing can be appended to an object in a bucket: it is written anew.
    self._bucket = path if run_dir.in_bucket(path) else None
    self._file = None if self._bucket else path.open("a")
    self._start = time.monotonic()

  def write(self, step: int, values: dict[str, float]) -> None:
    """Appends a line, at once visible to other programs; NaN becomes null."""
    line = {"step": step,
            "seconds": round(time.monotonic() - self._start, 3)}
    line |= {k: v if math.isfinite(v) else None for k, v in values.items()}
    text = json.dumps(line) + "\n"
    if self._bucket:
      self._text += text
      self._bucket.write_text(self._text)
    else:
      self._file.write(text)
      self._file.flush()

  def close(self) -> None:
    if self._file:
      self._file.close()
