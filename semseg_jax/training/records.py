"""Records of a run in progress: metrics a step late, samples, progress."""

from collections.abc import Sequence
import contextlib
import io
import math

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from semseg_jax.training import console
from semseg_jax.training import run_dir
from semseg_jax.training import writers


class NonFiniteError(FloatingPointError):
  """A metric or the state became NaN or infinite."""


class Records:
  """Fetches, checks and writes a run's metrics; a context manager."""

  def __init__(self, folder, log_every, steps, start, meta, *, primary):
    """`start`: steps already done; `meta`: from the checkpoint, or {}."""
    self._every, self._steps = log_every, steps
    self._primary, self._folder = primary, folder
    self._pending = None
    # Sums since the last line; saved with the state, so that the first line
    # after a resume is that of an unbroken run.
    self._window = meta.get("window", {})
    self._rollbacks = meta["rollbacks"]
    if primary:
      self._writer = writers.create(folder, first_step=start)
      self._file = writers.MetricsFile(
          # A line that is owed may have been written and not saved.
          folder / "metrics.jsonl",
          first_step=start - ("validate" in meta.get("owed", ())))
      self._progress = console.Progress(folder.name, start, steps)

  def __enter__(self):
    return self

  def __exit__(self, *_):
    if self._primary:
      self._file.close()
      self._writer.close()

  def meta(self, *, owed: Sequence[str] = ()) -> dict:
    """What the checkpoint must hold for the records to go on as if unbroken.

    owed: what of the step is still to come: "sample", "validate" with its line.
    """
    # Copied: saving is asynchronous.
    return {"window": dict(self._window), "rollbacks": self._rollbacks} | (
        {"owed": list(owed)} if owed else {})

  @contextlib.contextmanager
  def preparing(self, step: int):
    """Says that programs are compiled, and leaves that out of the rate."""
    if self._primary:
      self._progress.note("compiling")
    yield
    if self._primary:
      self._progress.restart(step)

  def push(self, step, metrics, state_step) -> None:
    """Takes the metrics of `step`, still being computed; handles those before.

    `state_step` is copied, as the next step deletes it.
    """
    pending = (step, metrics, jnp.copy(state_step))
    self.drain()
    self._pending = pending

  def drain(self, validate=dict) -> dict[str, float]:
    """Fetches what was pushed last, checks it, writes its line if due.

    The result of `validate` joins the line, and makes it due; it is called
    only after the step's own metrics were finite, and returned.
    """
    step = self.hold()
    return {} if step is None else self.line(step, validate)

  def hold(self) -> int | None:
    """`drain` without the line: the step that was pushed last, if any."""
    if self._pending is None:
      return None
    step, metrics, state_step = self._pending
    self._pending = None
    metrics, state_step = jax.device_get((metrics, state_step))
    if state_step != step:
      raise ValueError(
          f"state.step is {state_step} after {step} steps: the last phase of "
          "a step, and only that one, must add 1 to state.step")
    values = {k: float(v) for k, v in metrics.items()}
    bad = {k: v for k, v in values.items() if not math.isfinite(v)}
    if bad:
      raise NonFiniteError(
          f"step {step}: {bad}; all metrics: {values}. The newest checkpoint "
          f"in {self._folder / 'ckpt'} is from before")
    for name, value in values.items():
      total, count = self._window.get(name, (0.0, 0))
      self._window[name] = (total + value, count + 1)
    return step

  def line(self, step, validate=dict) -> dict[str, float]:
    """The rest of `drain`, for a step that was held."""
    line = {}
    if self._every and (step % self._every == 0 or step == self._steps):
      line = {k: total / n for k, (total, n) in self._window.items()}
      self._window = {}
      if self._primary:
        rate = self._progress.report(step, line)
        self._writer.write_scalars(step, {"steps_per_second": rate})
    extra = {k: float(v) for k, v in validate().items()}
    line |= extra
    if line and self._primary:
      self._file.write(step, line)
      self._writer.write_scalars(step, line)
    return extra

  def sample(self, step, images) -> None:
    """Writes samples/<name>_<step>.png, uint8 [H, W, 3] or [H, W]."""
    if not self._primary:
      return
    for name, image in images.items():
      image = np.asarray(image)
      path = self._folder / "samples" / f"{name}_{step:07}.png"
      path.parent.mkdir(parents=True, exist_ok=True)
      data = io.BytesIO()
      Image.fromarray(image).save(data, "PNG")
      run_dir.write_bytes(path, data.getvalue())
      shape = (1, *image.shape[:2], -1)
      self._writer.write_images(step, {name: image.reshape(shape)})
