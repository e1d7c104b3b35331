r"""Images from masks, scribbles or landmarks with a trained Fewshot-SMIS run.

  semseg-jax synthesize \
      --config=configs/fewshot_smis/toy_faces.py --workdir=runs/smis \
      --masks=FOLDER --out=FOLDER

--masks: a folder of index PNGs of any size: whole masks for a dense run; for a
sparse one partial ones, where 0 is unknown. --points: a CSV file of landmarks
instead (columns image, class, x, y; see data/annotations.py). Writes for each
layout <name>_0.png, the encoder's own style, and <name>_1.png, ...: the same
layout with the latents --styles of random samples; grid.png shows all of
them, pseudo_labels.png samples of the generator with their pseudo labels.

  --pairs=500   instead writes synthetic pairs, images/ and masks/, for
                --config.supervised.synthetic: layouts are pseudo labels
"""


from absl import flags
from etils import epath
import jax
import numpy as np

from semseg_jax import experiment
from semseg_jax import lineage
from semseg_jax.cli import arguments
from semseg_jax.data import annotations
from semseg_jax.data import pairs
from semseg_jax.data import transforms
from semseg_jax.evaluation import figures
from semseg_jax.methods.common import data
from semseg_jax.methods.fewshot_smis import encoder
from semseg_jax.methods.fewshot_smis import synthesis
from semseg_jax.ops import image_ops
from semseg_jax.studies import synthesis as scoring
from semseg_jax.training import run_dir


def synthesize(config, workdir, *, out, layouts, styles, alpha, samples, seed):
  """Writes images of layouts; see the module's docstring.

  Args:
    workdir: its folder, with the trained stages.
    out: folder to write to.
    layouts: (Synthesizer) -> {name: int [S, S]}.
    styles, alpha, samples, seed: see the flags.

  Returns {name: uint8 [1 + samples, S, S, C]}.
  """
  synth = synthesis.Synthesizer(config, workdir)
  synth.check_styles(styles)
  layout_of = layouts(synth)
  names, label = list(layout_of), np.stack(list(layout_of.values()))
  # Landmarks may name images in sub-folders.
  for folder in {out, *((out / name).parent for name in names)}:
    folder.mkdir(parents=True, exist_ok=True)
  latents = synth.encode(label)
  rendered = [synth.render(latents)]
  for i in range(samples):
    rendered.append(synth.mixed(
        latents, jax.random.fold_in(jax.random.key(seed), i), styles=styles,
        alpha=alpha))
  colors = encoder.annotation_colors(config)
  result = dict(zip(names, np.stack(rendered, 1), strict=True))
  for name, images in result.items():
    for i, image in enumerate(images):
      figures.save(out / f"{name}_{i}.png", image)
  columns = ["layout", "own style"] + [
      f"style {i + 1}" for i in range(samples)]
  figures.save(out / "grid.png", figures.grid(
      [[image_ops.colorize(layout_of[name], colors), *images]
       for name, images in result.items()], columns=columns, names=names))
  if not config.encoder.weights:  # The shots are in the run's folder.
    scoring.save_pseudo_labels(config, synth, out, jax.random.key(seed))
  return result


def layouts_of(config, *, masks, points):
  """Function (Synthesizer) -> {name: int32 [S, S]} that reads the files."""
  if bool(masks) == bool(points):
    raise ValueError("give either --masks=FOLDER or --points=FILE.csv")
  sparse = config.pseudo.labeling == "sparse"
  if points and not sparse:
    raise ValueError("--points: this run's encoder was trained on whole masks; "
                     "landmarks need config.pseudo.labeling='sparse'")

  def from_masks(synth):
    source = pairs.Masks(
        masks, synth.labeler.num_classes, data.ignore_index(config))
    return {name: _fitted(synth, source[i]["label"], sparse,
                          data.ignore_index(config))
            for i, name in enumerate(source.ids)}

  def from_points(synth):
    marked = annotations.read_points(
        points, synth.labeler.size, synth.labeler.num_classes)
    return {name: _enlarged(x, synth.size) for name, x in marked.items()}

  return from_points if points else from_masks


def write_pairs(config, workdir, *, out, count, styles, alpha, seed):
  """Writes `count` synthetic pairs: pseudo labels and what is made of them."""
  if config.pseudo.labeling == "sparse":
    raise ValueError("--pairs needs whole masks: config.pseudo.labeling is "
                     "'sparse'")
  names = [f"{i:06}.png" for i in range(count)]
  for part in ("images", "masks"):
    if others := {x.name for x in (out / part).glob("*.png")} - set(names):
      raise ValueError(
          f"--out={out}: {part} has {len(others)} other files, such as "
          f"{min(others)}, which would be trained on, too: give another folder")
  synth = synthesis.Synthesizer(config, workdir)
  synth.check_styles(styles)
  latent_key, style_key = jax.random.split(jax.random.key(seed))
  _, _, label = synth.pairs(count, latent_key)
  rendered = synth.mixed(
      synth.encode(label), style_key, styles=styles, alpha=alpha)
  for part in ("images", "masks"):
    (out / part).mkdir(parents=True, exist_ok=True)
  for name, image, mask in zip(names, rendered, label, strict=True):
    figures.save(out / "images" / name, image)
    figures.save(out / "masks" / name, mask.astype(np.uint8))


def command(config, workdir):
  """What the flags ask for."""
  given = flags.FLAGS
  if "synthesis" not in config:
    raise ValueError(f"--config is of method {config.method!r}: give the one "
                     "that the run was trained with, of fewshot_smis")
  lineage.check(config, workdir)
  out = epath.Path(given.out)
  if given.pairs and (given.masks or given.points):
    raise ValueError("--pairs makes its own layouts: leave out --masks and "
                     "--points")
  if given.masks and run_dir.absolute(out) == run_dir.absolute(given.masks):
    raise ValueError(f"--out={out} is the folder of the masks, which images "
                     "would be the next time: give another")
  pick = lambda name: (
      config.synthesis[name] if given[name].value is None
      else given[name].value)
  mixing = dict(styles=synthesis.parse_styles(pick("styles")),
                alpha=pick("alpha"), seed=given.seed)
  if given.pairs:
    write_pairs(config, workdir, out=out, count=given.pairs, **mixing)
  else:
    layouts = layouts_of(config, masks=given.masks, points=given.points)
    synthesize(config, workdir, out=out, layouts=layouts,
               samples=pick("samples"), **mixing)
  print(f"written to {out}")


def _fitted(synth, label, sparse, ignore_index):
  """A mask of any size as the encoder takes it."""
  if not sparse:
    return transforms.resize_label(label, synth.size).astype(np.int32)
  marked = np.where(label == ignore_index, 0, label)
  return _enlarged(
      annotations.to_cells(marked, synth.labeler.size), synth.size)


def _enlarged(marked, size):
  times = size // len(marked)
  return marked.repeat(times, 0).repeat(times, 1)


def main(argv):
  del argv
  experiment.run(command, flags.FLAGS.config, flags.FLAGS.workdir)


def define_flags():
  """See --help."""
  arguments.define_run("Folder of the trained run.")
  flags.DEFINE_string("out", None, "Folder for the images.")
  flags.DEFINE_string("masks", None, "Folder of index PNGs.")
  flags.DEFINE_string("points", None, "CSV file of landmarks.")
  flags.DEFINE_integer(
      "pairs", 0, "Synthetic pairs to write instead.", lower_bound=0)
  flags.DEFINE_string(
      "styles", None, "Latents to mix, such as 8-17; default: the config's.")
  flags.DEFINE_float(
      "alpha", None, "Share of the random latents; default: the config's.",
      lower_bound=0.0, upper_bound=1.0)
  flags.DEFINE_integer(
      "samples", None, "Mixed images of each layout; default: the config's.",
      lower_bound=0)
  flags.DEFINE_integer("seed", 0, "Of the random latents.", lower_bound=0,
                       upper_bound=2**32 - 1)
  arguments.require("out")
