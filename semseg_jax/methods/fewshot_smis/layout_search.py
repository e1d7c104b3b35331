"""A search for the latents whose labels are a layout (ours).

The encoder's latents are the mean of all images with about that layout. With
pseudo labels by a fitted segmenter (`pseudo.labeling = "fitted"`) labels can be
differentiated: `synthesis.steps` steps of Adam from the encoder's latents lower
the cross entropy of the segmenter's labels against the layout, as SemanticGAN's
inversion lowers an image's distance.
"""

import jax
import jax.numpy as jnp
import optax

from semseg_jax.ops import prototypes
from semseg_jax.ops import segmentation_losses


def make(config, generator, labeler):
  """search(variables, params, latents, label) -> latents; None without steps.

  Args:
    config: with the block `synthesis`.
    generator: the module.
    labeler: of `pseudo_labels.make`.

  Returns:
    `latents` [N, L, D] are where it starts, `label` [N, S, S] is the layout,
    whose values outside the classes do not count; `params` is what
    `labeler.fit` gave.

  Raises:
    ValueError: a field has no meaning; it is named.
  """
  c = config.synthesis
  steps = c.get("steps", 0)  # absent in runs of former versions
  if steps < 0:
    raise ValueError(f"config.synthesis.steps is {steps}; give 0 or more")
  if not steps:
    return None
  if labeler.logits is None:
    raise ValueError(
        f"config.synthesis.steps is {steps}, which needs labels that can be "
        "differentiated: set config.pseudo.labeling to 'fitted'")
  tx = optax.adam(c.learning_rate)
  nothing = labeler.num_classes

  @jax.jit
  def search(variables, params, latents, label):
    label = prototypes.cells(label, labeler.size)
    label = jnp.where((label < 0) | (label > nothing), nothing, label)

    def loss(w):
      _, maps = generator.apply(variables, w, method="synthesize")
      logits = labeler.logits(params, maps)
      # A mean for each layout: of how many pixels count depends on no other.
      entropy = jax.vmap(lambda x, y: segmentation_losses.cross_entropy(
          x[None], y[None], ignore_index=nothing))(logits, label)
      distance = jnp.square(w - latents).mean((1, 2))
      return (entropy + c.distance_weight * distance).sum()

    def step(_, state):
      w, optimizer = state
      deltas, optimizer = tx.update(jax.grad(loss)(w), optimizer)
      return optax.apply_updates(w, deltas), optimizer

    return jax.lax.fori_loop(0, steps, step, (latents, tx.init(latents)))[0]

  return search
