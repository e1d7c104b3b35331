"""What the stages with a student and a teacher, its average, have in common."""

from typing import Any

from flax import struct
import jax
import optax

from semseg_jax.ops import schedules


class State(struct.PyTreeNode):
  """All that training changes."""
  step: jax.Array  # int32 scalar, finished steps
  # student, teacher: {"params", "batch_stats"?}; the teacher's parameters are
  # averages of the student's, its running statistics its own.
  student: Any
  teacher: Any
  optimizer: Any  # optax state of the student


def updated(state: State, tx, gradients, student, teacher, *,
            decay: float) -> State:
  """One step of the student, which the teacher follows.

  Args:
    tx: the student's optimizer.
    gradients: of its parameters at `state`.
    student, teacher: variables after their forward passes; of both only what
      is no parameter counts.
    decay: largest one of the average, see `schedules.ema_decay`.
  """
  deltas, opt = tx.update(
      gradients, state.optimizer, state.student["params"])
  params = optax.apply_updates(state.student["params"], deltas)
  step = state.step + 1
  decay = schedules.ema_decay(step, decay)
  average = jax.tree.map(
      lambda old, new: decay * old + (1 - decay) * new,
      state.teacher["params"], params)
  return State(
      step=step, student={**student, "params": params},
      teacher={**teacher, "params": average}, optimizer=opt)
