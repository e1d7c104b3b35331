"""Stage `shots`: the few annotated pictures and the codes that redraw them.

Fewshot-SMIS inverts the annotated pictures before anything else: Ranger on W+
codes from the noisy mean code, squared error and perceptual distance, the best
codes of every 50th step kept. Finished pictures are kept on disk, so that an
interrupted inversion continues. The stage has no steps of its own: its state
is the codes.

Shots may also be samples of the generator, whose codes are known: a folder as
`cli/sample.py` writes it, with masks painted by hand.
"""

from typing import NamedTuple

from etils import epath
from flax import struct
import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax import inversion
from semseg_jax.data import annotations
from semseg_jax.data import painted
from semseg_jax.data import pairs
from semseg_jax.data import transforms
from semseg_jax.methods.common import data
from semseg_jax.methods.common import generator as trained
from semseg_jax.methods.common import perceptual as perceptual_lib
from semseg_jax.methods.common import samples
from semseg_jax.methods.fewshot_smis import pseudo_labels
from semseg_jax.ops import images
from semseg_jax.training import checkpoint
from semseg_jax.training import chunks
from semseg_jax.training import optimizers
from semseg_jax.training import stage

# Blocks of the config that the result depends on.
FIELDS = ("shots", "gan", "generator", "image_discriminator", "perceptual")
LARGEST = 256  # px: larger pictures are compared and annotated at this size
NEEDED_BY = "stage 'shots'"


class State(struct.PyTreeNode):
  """step: int32, always 0. codes: [N, L, D] of the shots."""
  step: jax.Array
  codes: jax.Array


class Shots(NamedTuple):
  """The annotated pictures, as NumPy arrays.

  Attributes:
    ids: names.
    image: uint8 [N, S, S, C], S = `working_size`.
    label: int32 [N, S, S]; see `annotate`.
    codes: [N, L, D], or None where they are to be found.
  """
  ids: tuple[str, ...]
  image: np.ndarray
  label: np.ndarray
  codes: np.ndarray | None


def working_size(config) -> int:
  """Side of the pictures and labels outside the generator."""
  return min(LARGEST, config.data.size)


def annotate(config, label, cells: int, seed) -> np.ndarray:
  """A data set's mask as this config annotates pictures.

  Args:
    config: the experiment's config.
    label: uint8 [H, W] class indices.
    cells: side of the generator's map that is tapped.
    seed: of the places of scribbles or points.

  Returns:
    int32 [S, S]. "mask": the mask itself, with labels that are no class set to
    -1 (dense labelling) or 0 (sparse: unknown). Else a partial annotation, in
    whole cells.
  """
  c = config.shots
  size = working_size(config)
  if c.annotation == "mask":
    label = transforms.resize_label(label, size).astype(np.int32)
    nothing = 0 if config.pseudo.labelling == "sparse" else -1
    return np.where(label < config.data.num_classes, label, nothing)
  marked = annotations.partial(
      transforms.resize_label(label, cells), c.annotation,
      ignore_index=config.data.ignore_index, strokes=c.strokes,
      length=c.stroke_length, seed=seed)
  return np.repeat(np.repeat(marked, size // cells, 0), size // cells, 1)


def read(config) -> Shots:
  """The shots of `config`: a folder's, or the first of the labelled pool."""
  c = config.shots
  if c.annotation not in annotations.KINDS:
    raise ValueError(f"config.shots.annotation is {c.annotation!r}; use one of "
                     f"{', '.join(annotations.KINDS)}")
  if samples.are_in(c.folder):
    classes = painted.spec(c.folder, config.data.num_classes)
    source = [painted.read(c.folder, name, classes)
              for name in painted.names(c.folder)]
    if not source:
      raise ValueError(f"{c.folder}: no picture has a mask: paint "
                       "<name>_mask.png or save LabelMe's <name>.json")
  elif c.folder:
    source = pairs.Pairs(c.folder, config.data.channels,
                         config.data.num_classes, config.data.ignore_index)
  else:
    chosen = config.copy_and_resolve_references().unlock()
    chosen.data.labels = c.count
    source, _ = data.train_sources(chosen)
    if source is None:
      raise ValueError("config.shots.count is 0: at least one annotated "
                       "picture is needed")
  size = working_size(config)
  cells = pseudo_labels.make(config, trained.module(config)).size
  examples = [source[i] for i in range(len(source))]
  return Shots(
      ids=tuple(e["id"] for e in examples),
      image=np.stack(
          [transforms.resize_image(e["image"], size) for e in examples]),
      label=np.stack([
          annotate(config, e["label"], cells, (config.seed, i))
          for i, e in enumerate(examples)]),
      codes=None)


def make(config, workdir) -> stage.Stage:
  """The stage that `config` describes: everything happens in `load_frozen`."""
  c = config.shots
  module = trained.module(config)
  pseudo_labels.make(config, module)  # says early what is wrong with it
  if not samples.are_in(c.folder):
    options(config)
  perceptual = perceptual_lib.make(config, workdir, NEEDED_BY)

  def load_frozen():
    shots = read(config)
    generator = trained.load(config, workdir, NEEDED_BY)
    if samples.are_in(c.folder):
      codes = samples.read(generator, c.folder, shots.ids).codes
    else:
      codes = _inverted(config, workdir, shots, generator, perceptual)
    return {"codes": jnp.asarray(codes)}

  def init(key, frozen):
    del key
    codes = frozen["codes"] if frozen else jnp.zeros(
        (max(1, c.count), module.num_codes, module.style_dim))
    return State(step=jnp.zeros((), jnp.int32), codes=codes)

  return stage.Stage(
      steps=0, load_frozen=load_frozen, init=init,
      phases=lambda step: ("none",), draws=lambda key, phase: (),
      train_step=None, train_data=lambda start: iter(()))


def load(config, workdir, needed_by: str) -> Shots:
  """The shots with the codes that the stage has found.

  Raises:
    FileNotFoundError: the stage has not run.
  """
  shots = read(config)
  module = trained.module(config)
  folder = epath.Path(workdir) / "shots" / "ckpt"
  if not checkpoint.exists(folder):
    raise FileNotFoundError(
        f"{needed_by} needs the stage 'shots', but {folder} holds no "
        "checkpoint: run that stage first, in the same --workdir")
  codes = checkpoint.restore_subtree(folder, {"codes": jax.ShapeDtypeStruct(
      (len(shots.ids), module.num_codes, module.style_dim), jnp.float32)})
  return shots._replace(codes=np.asarray(codes["codes"]))


def options(config) -> inversion.Options:
  """The search that `config.shots` describes."""
  c = config.shots
  return inversion.Options(
      steps=c.steps, start="mean", start_noise=c.start_noise,
      # The output axis is the pictures': each one's gradient is centred alone.
      optimizer=optimizers.ranger(c.learning_rate, output_axis=0),
      optimize_noise=False, fresh_noise=True, best_every=c.best_every,
      weights=inversion.Weights(
          perceptual=c.perceptual, mse=c.mse, noise=0.0, encoder=0.0,
          start=0.0),
      loss_size=LARGEST)


def _inverted(config, workdir, shots, generator, perceptual):
  """Codes [N, L, D] of the pictures; finished chunks are read from disk."""
  c = config.shots
  module = generator.module

  def generate(frozen, codes, noise):
    sample, _ = module.apply(
        frozen["generator"], codes, noise, method="synthesize")
    return sample.image, None

  networks = inversion.Networks(
      num_codes=module.num_codes, noise_shapes=module.noise_shapes,
      generate=generate,
      features=lambda f, x: perceptual.features(f["perceptual"], x),
      distance=lambda f, a, b: perceptual.distance(f["perceptual"], a, b))
  inverter = inversion.Inverter(networks, options(config), c.batch_size)
  frozen = {"generator": generator.variables, "perceptual": perceptual.load()}
  store = chunks.ChunkStore(
      epath.Path(workdir) / "shots" / "chunks", chunks.fingerprint(
      [config.seed, config.data.to_dict(), shots.ids,
       *(config[name].to_dict() for name in FIELDS)]))
  found = []
  for number, first in enumerate(range(0, len(shots.ids), c.batch_size)):
    if not store.done(number):
      part = slice(first, first + c.batch_size)
      result = inverter.run(
          frozen, images.from_uint8(shots.image[part]),
          np.arange(len(shots.ids))[part], jax.random.key(config.seed),
          mean=generator.mean)
      store.save(number, {"codes": result.codes, **{
          f"loss_{k}": v for k, v in result.losses.items()}})
    found.append(store.load(number)["codes"])
  return np.concatenate(found)
