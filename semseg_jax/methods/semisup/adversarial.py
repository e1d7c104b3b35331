"""What the stages with a segmenter and a discriminator have in common."""

from typing import Any

from flax import struct
import jax
import jax.numpy as jnp
import optax

from semseg_jax.methods.common import data
from semseg_jax.methods.common import segmenter
from semseg_jax.training import stage


class State(struct.PyTreeNode):
  """All that training changes."""
  step: jax.Array  # int32 scalar, finished iterations
  network: Any  # the segmenter's {"params", "batch_stats"?}
  discriminator: Any  # parameters
  optimizers: dict[str, Any]  # optax states of "network" and "discriminator"


def network(config, block: str):
  """The segmenter of a config, with a channel for each class.

  Args:
    block: the stage's name, for errors.

  Raises ValueError: a U-Net on two classes, which has one channel.
  """
  if config.segmenter.network == "unet" and config.data.num_classes == 2:
    raise ValueError(
        f"config.segmenter.network is 'unet', which has one channel for two "
        f"classes, but stage {block!r} judges a channel of each class: choose "
        "a DeepLab or 'semantic_fpn'")
  return segmenter.build(config)


def optimizers(config, block: str, groups, repeats=None) -> dict[str, Any]:
  """The segmenter's, and the discriminator's Adam with poly decay.

  `block`: the stage's name; others: see `segmenter.optimizer`.
  """
  c = config[block]
  return {
      "network": segmenter.optimizer(config, block, groups, repeats),
      "discriminator": optax.adam(
          segmenter.poly(c.discriminator_learning_rate, c.steps),
          b1=0.9, b2=0.99)}


def initial_state(config, key, frozen, network, discriminator, channels: int,
                  tx) -> State:
  """The first state.

  Args:
    frozen: variables to start from, see `segmenter.init`.
    network, discriminator: the modules.
    channels: of the discriminator's input.
  """
  keys = jax.random.split(key)
  shape = data.shape(config)
  variables = segmenter.init(
      network, keys[0], shape, segmenter.channels(config), frozen)
  params = discriminator.init(
      keys[1], jnp.zeros((1, *shape, channels)))["params"]
  return State(
      step=jnp.zeros((), jnp.int32), network=variables, discriminator=params,
      optimizers={"network": tx["network"].init(variables["params"]),
                  "discriminator": tx["discriminator"].init(params)})


def updated(state: State, tx, gradients, variables) -> State:
  """One step of both optimizers.

  Args:
    gradients: of "network" and "discriminator" at `state`.
    variables: the segmenter's after its forward passes.
  """
  params = {"network": state.network["params"],
            "discriminator": state.discriminator}
  opts = {}
  for name, tree in params.items():
    deltas, opts[name] = tx[name].update(
        gradients[name], state.optimizers[name], tree)
    params[name] = optax.apply_updates(tree, deltas)
  return State(
      step=state.step + 1,
      network={**variables, "params": params["network"]},
      discriminator=params["discriminator"], optimizers=opts)


def make_stage(config, c, module, **functions) -> stage.Stage:
  """The stage of these functions, with samples and validation of `module`.

  Args:
    c: the stage's block.
    module: the segmenter.
    **functions: init, rngs, train_step and train_data.
  """
  return stage.Stage(
      steps=c.steps,
      load_frozen=lambda: segmenter.initial(config),
      phases=lambda step: ("step",),
      **segmenter.watched(config, module), **functions)
