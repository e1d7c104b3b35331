"""The sums of gradients over chips, alone: seconds to compile for any slice.

A data-parallel step is the same program on one chip or many but for the sums
of its gradients, whose bytes are those of the parameters that it trains. What
the compiler makes of them (how many collectives, of which size) is read from a
program that has nothing else.
"""

import jax
import jax.numpy as jnp

from semseg_jax import stages
from semseg_jax.planning import estimate
from semseg_jax.training import mesh as mesh_lib

# Phase -> the fields of the stage's state that it trains.
TRAINED = {
    "gan": {"d": ("image_discriminator", "patch_discriminator"),
            "g": ("generator",)},
    "encoder": {"step": ("encoder",)},
    "s4gan": {"step": ("network", "discriminator")},
    "supervised": {"step": ("network",)}}


def trained(config, name: str) -> dict[str, object]:
  """{phase: shapes of the parameters that it trains} of a stage.

  Args:
    config: the experiment's, `programs.blank`.
    name: a stage of `TRAINED`.

  Raises ValueError: another stage.
  """
  if name not in TRAINED:
    raise ValueError(f"--gradients knows the stages {', '.join(TRAINED)}, not "
                     f"{name!r}: name some by --stage")
  stage = stages.of(config, name).make(config, None)
  state = jax.eval_shape(
      stage.init, jax.eval_shape(lambda: jax.random.key(0)),
      stage.load_frozen())
  params = lambda x: x["params"] if "params" in x else x
  return {phase: [params(getattr(state, field)) for field in fields]
          for phase, fields in TRAINED[name].items()}


def cost(parameters, mesh) -> estimate.Cost:
  """Figures of the sum over `mesh` of a gradient for each of `parameters`."""
  rows = mesh_lib.batch_sharding(mesh)
  parts = jax.tree.map(lambda x: jax.ShapeDtypeStruct(
      (mesh.size, *x.shape), jnp.float32, sharding=rows), parameters)
  return estimate.of(jax.jit(
      lambda parts: jax.tree.map(lambda x: x.sum(0), parts),
      out_shardings=mesh_lib.replicated(mesh)).lower(parts))
