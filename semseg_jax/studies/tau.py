"""Fusion's threshold tau: the mean IoU of each fused segmenter by tau.

On the validation split of a run with the stage `mlmt`, and the flag that sets
the best one of the last column.
"""

from semseg_jax.evaluation import tables
from semseg_jax.methods.semisup import fusion


def write(config, workdir, *, taus) -> list[dict]:
  """Prints the table; returns its rows, see `fusion.search`."""
  rows = fusion.search(config, workdir, taus)
  print(tables.text(rows))
  last = list(rows[0])[-1]
  best = max(rows, key=lambda row: row[last])["tau"]
  print(f"\n{last}: " + (
      "no tau is better than no fusion" if best is None
      else f"best with --config.fusion.tau={best}"))
  return rows
