r"""Which of a generator's layers matter: a table and a plot.

  python -m semseg_jax.cli.layer_ablation \
      --config=configs/repurpose_gan/toy_faces.py:shots=5,segmenter=linear \
      --workdir=runs/repurpose_toy_faces

Trains the config's segmenter on each layer alone ("only") and on all but each
("without"), with the same shots, and scores them on the in-domain split by
inversion; with the annotator `fully_supervised` also on fresh samples against
its labels, where no inversion blurs the answer. Writes
workdir/ablation/table.json, table.md and layers.png. After an interruption run
it again: finished layers are not computed again.
"""

from semseg_jax.training import xla_flags

xla_flags.apply()  # before jax starts
xla_flags.compile_cache()

from absl import app  # noqa: E402
from absl import flags  # noqa: E402
from etils import epath  # noqa: E402
from ml_collections import config_flags  # noqa: E402
import numpy as np  # noqa: E402

from semseg_jax import experiment  # noqa: E402
from semseg_jax.cli import arguments  # noqa: E402
from semseg_jax.cli import few_shot_cells as cells_lib  # noqa: E402
from semseg_jax.evaluation import figures  # noqa: E402
from semseg_jax.evaluation import plots  # noqa: E402
from semseg_jax.evaluation import tables  # noqa: E402
from semseg_jax.methods.common import generator as trained  # noqa: E402
from semseg_jax.methods.common import hypercolumns  # noqa: E402
from semseg_jax.training import checkpoint  # noqa: E402
from semseg_jax.training import run_dir  # noqa: E402


def write(config, workdir, *, n: int) -> list[dict]:
  """Trains and scores every variant; returns the rows of table.json."""
  experiment.check_data(config)
  folder = epath.Path(workdir) / "ablation"
  layers = hypercolumns.names(config, trained.module(config))
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
  names = [[c.name, checkpoint.latest(folder / c.name / "segmenter/ckpt")]
           for c in cells]
  columns = {"inversion": cells_lib.score(
      config, predict, config.data.in_domain, folder / "inversion", names)}
  if sampled := cells_lib.score_samples(config, workdir, segment, n):
    columns["samples"] = sampled
  rows = [{"variant": name.partition("_")[0], "layer": name.partition("_")[2]}
          | {f"{c}_miou": round(v[name], 4) for c, v in columns.items()}
          for name in chosen]
  run_dir.write_json(folder / "table.json", {"rows": rows})
  (folder / "table.md").write_text(tables.markdown(rows) + "\n")
  figures.save(folder / "layers.png", figures.stack([
      plots.bars(
          {kind: [v.get(f"{kind}_{n}", np.nan) for n in layers]
           for kind in ("only", "without")}, names=layers,
          title=f"mIoU by layer, {c} (line: all layers)", level=v["all"])
      for c, v in columns.items()]))
  print(f"{tables.text(rows)}\n\nwritten to {folder / 'table.json'} and "
        f"{folder / 'layers.png'}")
  return rows


def main(argv):
  del argv
  experiment.run(write, flags.FLAGS.config, flags.FLAGS.workdir,
                 n=flags.FLAGS.samples)


def define_flags():
  """Not on import: tests import several commands."""
  config_flags.DEFINE_config_file(
      "config", None, "Config file of the experiment.", lock_config=True)
  flags.DEFINE_string("workdir", None, "Folder of the run.")
  flags.DEFINE_integer("samples", 64, "Fresh samples to score on.")


if __name__ == "__main__":
  define_flags()
  flags.mark_flags_as_required(["config", "workdir"])
  app.run(main, flags_parser=arguments.parse)
