"""Initial weights of a network from another one with the same backbone."""

from typing import Any

import flax.traverse_util
import jax.numpy as jnp

_TRUNK = "backbone"


def copy_agreeing(variables: dict[str, Any], source: dict[str, Any]
                  ) -> dict[str, Any]:
  """`variables` with those of `source` where path and shape agree.

  The backbone must agree as a whole, statistics included; other layers, like a
  classifier of other classes, keep their values where they do not.

  Args:
    variables: "params" and "batch_stats" of a network whose backbone is named
      "backbone".
    source: likewise, or the variables of a backbone alone.

  Raises:
    ValueError: the backbones differ; the message names a layer and what to do.
  """
  if _TRUNK not in source["params"]:
    source = {name: {_TRUNK: tree} for name, tree in source.items()}
  own = flax.traverse_util.flatten_dict(variables)
  loaded = flax.traverse_util.flatten_dict(source)
  if differing := _first_difference(own, loaded):
    raise ValueError(
        "the file of initial weights: its backbone is not this network's: "
        f"{differing}; name a file of the same depth, width and input channels")
  for path, value in loaded.items():
    if path in own and own[path].shape == value.shape:
      own[path] = jnp.asarray(value, own[path].dtype)
  return flax.traverse_util.unflatten_dict(own)


def _first_difference(own, loaded):
  """Words about the first layer of the backbone that differs, or none."""
  for path in [*own, *loaded]:
    if path[1] != _TRUNK:
      continue
    shapes = [tree[path].shape if path in tree else "none"
              for tree in (own, loaded)]
    if shapes[0] != shapes[1]:
      return (f"{'/'.join(path[2:])} has shape {shapes[1]} in the file, "
              f"{shapes[0]} in the network")
  return None
