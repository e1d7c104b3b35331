"""Stage `classifier`: MLMT's student on the labeled images alone.

The plain classifier that the mean teacher is compared with: the same network,
labels and steps; its score is that of the averaged weights, too.
"""

from semseg_jax.methods.semisup import mlmt

FIELDS = mlmt.FIELDS
BEST_METRIC = mlmt.BEST_METRIC


def make(config, workdir):
  """The stage `mlmt` without unlabeled images."""
  config = config.copy_and_resolve_references().unlock()
  config.mlmt.update(consistency_weight=0.0, unlabeled_batch_size=0)
  return mlmt.make(config, workdir)
