"""Accelerators and slices of them, as their maker publishes them."""

import os
from typing import NamedTuple

import jax
from jax.experimental import topologies
import numpy as np


class Chip(NamedTuple):
  """Published figures of one chip; all rates are peaks."""
  # Bfloat16 FLOP/s; float32 products at JAX's default precision run as bfloat16
  # ones with float32 sums.
  flops: float
  memory: float  # bytes of HBM
  bandwidth: float  # bytes/s to HBM
  interconnect: float  # bytes/s to all neighbors together (ICI), one direction


# Cloud TPU documentation, system architecture pages, read in 2026.
CHIPS = {
    "v5e": Chip(197e12, 16e9, 819e9, 200e9),
    "v5p": Chip(459e12, 95e9, 2765e9, 600e9),
    "v6e": Chip(918e12, 32e9, 1600e9, 400e9),
}


def parse(topology: str) -> tuple[str, int]:
  """("v5e", 4) of "v5e:2x2"; raises ValueError for what is no topology."""
  name, _, shape = topology.partition(":")
  sides = shape.split("x")
  if name not in CHIPS or not all(s.isdigit() and int(s) for s in sides):
    raise ValueError(
        f"--topology={topology} is not one of {', '.join(CHIPS)} with a shape, "
        "such as v5e:2x2, v6e:4x4 or v5p:2x2x1")
  return name, int(np.prod([int(s) for s in sides]))


def devices(topology: str) -> list[jax.Device]:
  """The slice's devices, to compile for; needs libtpu, not a TPU.

  Raises ValueError: libtpu is missing, or does not know the topology.
  """
  # Nothing runs on a TPU: it is not looked for, nor reserved for one program.
  os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
  os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")
  name, _ = parse(topology)
  shape = topology.partition(":")[2]
  if name == "v5p" and shape.count("x") == 1:
    shape += "x1"  # its slices have three axes
  try:
    return list(topologies.get_topology_desc(
        platform="tpu", topology_name=f"{name}:{shape}").devices)
  except Exception as error:  # noqa: BLE001 - libtpu raises many kinds
    reason = str(error).splitlines()[0]
    raise ValueError(
        f"--topology={topology} cannot be compiled for: {reason} (is libtpu "
        'installed? pip install "semseg_jax[plan]", no TPU is needed)'
    ) from error
