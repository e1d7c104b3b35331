"""Which of a generator's layers matter: a table and a plot.

Trains the config's segmenter on each layer alone ("only") and on all but each
("without"), with the same shots, and scores them on the in-domain split by
inversion; with the annotator `fully_supervised` also on fresh samples against
its labels, where no inversion blurs the answer. Writes
workdir/ablation/table.json, table.md and layers.png. After an interruption run
it again: finished layers are not computed again.
"""

from etils import epath
import numpy as np

from semseg_jax import experiment
from semseg_jax.evaluation import figures
from semseg_jax.evaluation import plots
from semseg_jax.evaluation import tables
from semseg_jax.methods.common import generators
from semseg_jax.methods.common import hypercolumns
from semseg_jax.studies import cells as cells_lib
from semseg_jax.training import checkpoint


def write(config, workdir, *, n: int) -> list[dict]:
  """Trains and scores every variant; returns the rows of table.json."""
  experiment.check_data(config)
  folder = epath.Path(workdir) / "ablation"
  layers = hypercolumns.names(config, generators.module(config))
  chosen = {"all": layers}
  chosen |= {f"only_{n}": (n,) for n in layers}
  if len(layers) > 1:
    chosen |= {f"without_{n}": tuple(x for x in layers if x != n)
               for n in layers}
  cells = [cells_lib.Cell(name, cells_lib.changed(
      config, **{"hypercolumn.layers": used}))
           for name, used in chosen.items()]
  cells_lib.train_segmenters(cells, workdir, folder)
  predict, segment = cells_lib.predictor(config, workdir, folder, cells)
  names = [[c.name, checkpoint.saved_at(folder / c.name / "segmenter/ckpt")]
           for c in cells]
  columns = {"inversion": cells_lib.score(
      config, predict, config.data.in_domain, folder / "inversion", names)}
  if sampled := cells_lib.score_samples(config, workdir, segment, n):
    columns["samples"] = sampled
  rows = [{"variant": name.partition("_")[0], "layer": name.partition("_")[2]}
          | {f"{c}_miou": round(v[name], 4) for c, v in columns.items()}
          for name in chosen]
  tables.write(folder, rows)
  figures.save(folder / "layers.png", figures.stack([
      plots.bars(
          {kind: [v.get(f"{kind}_{n}", np.nan) for n in layers]
           for kind in ("only", "without")}, names=layers,
          title=f"mIoU by layer, {c} (line: all layers)", level=v["all"])
      for c, v in columns.items()]))
  return rows
