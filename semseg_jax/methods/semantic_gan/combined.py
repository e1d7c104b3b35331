"""Row `inversion+distilled`: what generator and distilled segmenter agree on.

Ours: a product of experts (Hinton, "Training Products of Experts by Minimizing
Contrastive Divergence", 2002). Inversion places an object's large parts in
images of any style, the distilled segmenter its small parts in those it has
seen; each is uncertain where the other is good.
"""

import jax
import jax.numpy as jnp

INVERSION, DISTILLED = "inversion", "distilled"
ROW = f"{INVERSION}+{DISTILLED}"


def combiner(config, workdir):
  """combine(source, indices, rows) -> {"inversion+distilled": {"logits"}}.

  {} where one of both rows is missing. `config.evaluation.inversion_weight` is
  the exponent of inversion's probabilities; the segmenter's have 1.

  Raises:
    ValueError: the weight is negative.
  """
  del workdir
  # Runs of former versions have no such field.
  weight = config.evaluation.get("inversion_weight", 0.5)
  if weight < 0:
    raise ValueError(f"config.evaluation.inversion_weight is {weight}; give 0 "
                     "or more")

  @jax.jit
  def product(inverted, segmented):
    return _log_probability(segmented) + weight * _log_probability(inverted)

  def combine(source, indices, rows):
    del source, indices
    if not {INVERSION, DISTILLED} <= set(rows):
      return {}
    return {ROW: {"logits": product(
        rows[INVERSION]["logits"], rows[DISTILLED]["logits"])}}

  return combine


def _log_probability(logits):
  """Log of the classes' probabilities, of one channel for both classes, too."""
  logits = logits.astype(jnp.float32)
  if logits.shape[-1] == 1:
    logits = jnp.concatenate([jnp.zeros_like(logits), logits], -1)
  return jax.nn.log_softmax(logits)
