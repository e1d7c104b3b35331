"""Gradients of a batch from parts of it, one part in memory at a time.

Gradients and auxiliary results are means over the parts: exactly those of the
whole batch where the loss is a mean of terms that each depend on one image.
What is computed over a batch (batch normalization, a mean over valid pixels) is
computed over a part instead.

Part k takes the images k, k + parts, k + 2 parts, ...: every device has as many
of each part, and the groups of StyleGAN2's minibatch standard deviation (image
i is in group i modulo N / 4) stay whole if a part has a multiple of 4 images.
"""

import jax
import jax.numpy as jnp


def check(batch_size: int, parts: int, field: str) -> None:
  """Raises ValueError unless a batch splits into `parts` of one size."""
  if parts < 1 or batch_size % parts:
    raise ValueError(
        f"{field} = {batch_size} does not split into config.num_microbatches = "
        f"{parts} equal parts: change one of them")


def grad(loss_fn, parts: int):
  """Like `jax.grad(loss_fn, has_aux=True)`, as a mean over `parts`.

  Args:
    loss_fn: (params, data) -> (loss, aux), aux a pytree of arrays.
    parts: number of parts; 1 is `jax.grad` itself.

  Returns (params, data, axes=0) -> (gradients, aux). `axes` is a prefix of
  `data`, as for `jax.vmap`: each leaf's axis of images, None for what all parts
  share.
  """
  one = jax.grad(loss_fn, has_aux=True)

  def whole(params, data, axes=0):
    del axes
    return one(params, data)

  def accumulated(params, data, axes=0):
    leaves, structure = jax.tree.flatten(data)
    axes = _spread(axes, data)
    stacked = [x if a is None else _stack(x, a, parts)
               for x, a in zip(leaves, axes, strict=True)]

    def gradients(k):
      part = [x if a is None else jnp.moveaxis(x[k], 0, a)
              for x, a in zip(stacked, axes, strict=True)]
      return one(params, structure.unflatten(part))

    def add(k, total):
      return jax.tree.map(jnp.add, total, gradients(k))

    zeros = jax.tree.map(
        lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(gradients, 0))
    total = jax.lax.fori_loop(0, parts, add, zeros)
    return jax.tree.map(
        lambda x: x / parts if jnp.issubdtype(x.dtype, jnp.inexact)
        else x // parts, total)  # a counter is the same in all parts

  return whole if parts == 1 else accumulated


def _spread(axes, data) -> list:
  """An axis (or None) for each leaf of `data`."""
  none = lambda x: x is None
  full = jax.tree.map(
      lambda axis, below: jax.tree.map(lambda _: axis, below), axes, data,
      is_leaf=none)
  return jax.tree.leaves(full, is_leaf=none)


def _stack(x, axis, parts):
  """[.., N, ..] -> [parts, N / parts, ...], images k, k + parts, ... in k."""
  x = jnp.moveaxis(x, axis, 0)
  x = x.reshape(x.shape[0] // parts, parts, *x.shape[1:])
  return jnp.swapaxes(x, 0, 1)
