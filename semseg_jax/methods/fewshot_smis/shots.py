"""Stage `shots`: the few annotated images and the latents that reproduce them.

Fewshot-SMIS inverts the annotated images before anything else: Ranger on W+
latents from the noisy mean latent, squared error and perceptual distance; the
result is the best of the latents after every 50th step. Finished images are
saved, so that an interrupted inversion continues. The stage has no steps of its
own: its state is the latents.

Shots may also be samples of the generator, whose latents are known: a folder as
`semseg-jax sample` writes it, with masks painted by hand.
"""

import hashlib
from typing import NamedTuple

from absl import logging
from etils import epath
from flax import struct
import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax import inversion
from semseg_jax.data import annotations
from semseg_jax.data import datasets
from semseg_jax.data import painted
from semseg_jax.data import pairs
from semseg_jax.data import transforms
from semseg_jax.methods.common import data
from semseg_jax.methods.common import generators
from semseg_jax.methods.common import inversion_options
from semseg_jax.methods.common import perceptual as perceptual_lib
from semseg_jax.methods.common import samples
from semseg_jax.methods.common import trained
from semseg_jax.methods.fewshot_smis import pseudo_labels
from semseg_jax.ops import image_ops
from semseg_jax.training import checkpoint
from semseg_jax.training import chunks
from semseg_jax.training import exported
from semseg_jax.training import optimizers
from semseg_jax.training import run_dir
from semseg_jax.training import stage

# Blocks of the config that the result depends on.
FIELDS = ("shots", "gan", "generator", "image_discriminator", "perceptual")
NEEDED_BY = "stage 'shots'"
# [id, small copy] of each image with the stage's latents, in their order.
_IMAGES = "images.json"
# Gray levels, of 255, by which a small copy may differ in the mean from that of
# the same image: decoders of JPEG round in several ways.
_TOLERANCE = 2


class State(struct.PyTreeNode):
  """step: int32, always 0. latents: [N, L, D] of the shots."""
  step: jax.Array
  latents: jax.Array


class Shots(NamedTuple):
  """The annotated images, as NumPy arrays."""
  ids: tuple[str, ...]  # names; () of an exported file, as the images are None
  image: np.ndarray  # uint8 [N, S, S, C], S = `pseudo_labels.working_size`
  label: np.ndarray  # int32 [N, S, S]; see `annotate`
  # [N, L, D], or None where the stage has to compute them.
  latents: np.ndarray | None


def annotate(config, label, cells: int, seed) -> np.ndarray:
  """A data set's mask as this config annotates images.

  Args:
    label: uint8 [H, W] class indices.
    cells: side of the generator's map that is tapped.
    seed: of the positions of scribbles or points.

  Returns int32 [S, S]. "mask": the mask itself, with labels that are no class
  set to -1 (dense labeling) or 0 (sparse: unknown). Else a partial annotation,
  in whole cells.
  """
  c = config.shots
  size = pseudo_labels.working_size(config)
  if c.annotation == "mask":
    label = transforms.resize_label(label, size).astype(np.int32)
    nothing = 0 if config.pseudo.labeling == "sparse" else -1
    return np.where(label < config.data.num_classes, label, nothing)
  marked = annotations.partial(
      transforms.resize_label(label, cells), c.annotation,
      ignore_index=data.ignore_index(config), strokes=c.strokes,
      length=c.stroke_length, seed=seed)
  return np.repeat(np.repeat(marked, size // cells, 0), size // cells, 1)


def annotated(config, examples, cells: int) -> tuple[np.ndarray, np.ndarray]:
  """(uint8 [N, S, S, C], int32 [N, S, S]): images and what `annotate` gives."""
  size = pseudo_labels.working_size(config)
  return (
      np.stack([transforms.resize_image(e["image"], size) for e in examples]),
      np.stack([annotate(config, e["label"], cells, (config.seed, i))
                for i, e in enumerate(examples)]))


def read(config) -> Shots:
  """The shots of `config`: a folder's, or the first of the labeled pool."""
  c = config.shots
  if c.annotation not in annotations.KINDS:
    raise ValueError(f"config.shots.annotation is {c.annotation!r}; use one of "
                     f"{', '.join(annotations.KINDS)}")
  if samples.are_in(c.folder):
    classes = painted.spec(c.folder, config.data.num_classes)
    data.check_names(config, classes, c.folder)
    source = painted.read_all(
        c.folder, painted.names(c.folder), classes,
        ignore_index=data.ignore_index(config))
    if not source:
      raise ValueError(f"{c.folder}: no image has a mask: paint "
                       "<name>_mask.png or save LabelMe's <name>.json")
  elif c.folder:
    source = pairs.Pairs(c.folder, config.data.channels,
                         config.data.num_classes, data.ignore_index(config))
  else:
    chosen = config.copy_and_resolve_references().unlock()
    chosen.data.num_labeled = c.count
    source, _ = data.train_sources(chosen)
    if source is None:
      raise ValueError("config.shots.count is 0: at least one annotated "
                       "image is needed")
  cells = pseudo_labels.make(config, generators.module(config)).size
  examples = [source[i] for i in range(len(source))]
  return Shots(tuple(e["id"] for e in examples),
               *annotated(config, examples, cells), latents=None)


def spec(config) -> datasets.Spec:
  """Names and colors of the classes: the data set's, else a painted folder's.

  Numbers where there is neither.
  """
  if config.data.name:
    return data.dataset(config).spec
  if samples.are_in(config.shots.folder):
    return painted.spec(config.shots.folder, config.data.num_classes)
  return datasets.blank(
      1, config.data.num_classes, config.data.channels, colored=True).spec


def make(config, workdir) -> stage.Stage:
  """The stage that `config` describes: everything happens in `load_frozen`."""
  c = config.shots
  module = generators.module(config)
  pseudo_labels.make(config, module)  # says early what is wrong with it
  if not samples.are_in(c.folder):
    options(config)
  perceptual = perceptual_lib.make(config, workdir, NEEDED_BY)

  def load_frozen():
    shots = read(config)
    if c.folder and len(shots.ids) != c.count:
      logging.warning(
          "all %d annotated images of %s are taken: config.shots.count, which "
          "is %d, counts those of the labeled pool", len(shots.ids), c.folder,
          c.count)
    folder = epath.Path(workdir) / "shots"
    if checkpoint.exists(folder / "ckpt"):
      check(folder, shots)
    elif jax.process_index() == 0:
      run_dir.write_json(folder / _IMAGES, small_copies(shots))
    generator = generators.load(config, workdir, NEEDED_BY)
    if samples.are_in(c.folder):
      latents = samples.read(generator, c.folder, shots.ids).latents
    else:
      latents = _inverted(config, workdir, shots, generator, perceptual)
    return {"latents": jnp.asarray(latents)}

  def init(key, frozen):
    del key
    latents = frozen["latents"] if frozen else jnp.zeros(
        (max(1, c.count), module.num_ws, module.style_dim))
    return State(step=jnp.zeros((), jnp.int32), latents=latents)

  return stage.Stage(
      steps=0, load_frozen=load_frozen, init=init,
      phases=lambda step: ("none",), rngs=lambda key, phase: (),
      train_step=None, train_data=lambda start: iter(()))


def load(config, workdir, needed_by: str) -> Shots:
  """The shots with the latents that the stage has computed.

  Raises:
    FileNotFoundError: the stage has not run. ValueError: other images are
      annotated since, an image was exchanged, or an exported file lacks the
      masks.
  """
  folder = epath.Path(workdir) / "shots"
  if exported.is_file(workdir) and checkpoint.exists(folder / "ckpt"):
    return _exported(workdir, needed_by)
  shots = read(config)
  check(folder, shots)
  module = generators.module(config)
  saved = trained.restored(
      workdir, "shots", {"latents": jax.ShapeDtypeStruct(
          (len(shots.ids), module.num_ws, module.style_dim), jnp.float32)},
      needed_by)
  return shots._replace(latents=np.asarray(saved["latents"]))


def masks(config, workdir) -> dict[str, np.ndarray]:
  """{"label"}: what an exported file holds of the shots beside their latents.

  {} where they cannot be read and are not needed to make images of layouts.
  """
  try:
    label = load(config, workdir, "an export").label
  except (OSError, ValueError):
    if config.synthesis.steps:
      raise
    return {}
  return {"label": label.astype(np.int16)}


def _exported(path, needed_by):
  arrays = exported.read_all(path, "shots")
  if "label" not in arrays:
    raise ValueError(
        f"{needed_by} needs the masks of the shots, which {path} lacks: export "
        "the run again, where its masks can be read")
  return Shots((), None, arrays["label"].astype(np.int32), arrays["latents"])


def small_copies(shots: Shots) -> list:
  """[id, gray levels of a copy of 4 x 4 pixels] of each image, in order."""
  return [[name, transforms.resize_image(image, 4).ravel().tolist()]
          for name, image in zip(shots.ids, shots.image, strict=True)]


def check(folder, shots: Shots) -> None:
  """Raises where the latents in the stage's folder are of other images.

  Former versions did not keep whose they are.
  """
  copies = small_copies(shots)
  stored = run_dir.read_json(folder / _IMAGES, copies)
  kept, now = dict(stored), dict(copies)
  changes = [f"{text} {', '.join(names)}" for text, names in (
      ("no mask any more of", [x for x in kept if x not in now]),
      ("new masks of", [x for x in now if x not in kept]),
      ("another image now", [
          x for x in kept if x in now and
          np.abs(np.subtract(kept[x], now[x])).mean() > _TOLERANCE])) if names]
  if changes or list(kept) != list(now):
    raise ValueError(
        f"{folder} has the latents of other images than those annotated now "
        f"({'; '.join(changes) or 'in another order'}): put images and masks "
        f"back as they were, or delete {folder} to start again from those of "
        "now")


def options(config) -> inversion.Options:
  """The search that `config.shots` describes."""
  c = config.shots
  return inversion.Options(
      steps=c.steps, start="mean", start_noise=c.start_noise,
      # The output axis is the images': each one's gradient is centerd alone.
      optimizer=optimizers.ranger(c.learning_rate, output_axis=0),
      optimize_noise=False, fresh_noise=True, best_every=c.best_every,
      weights=inversion.Weights(
          perceptual=c.perceptual_weight, mse=c.mse_weight, noise=0.0,
          encoder=0.0, start=0.0),
      loss_size=pseudo_labels.LARGEST)


def _inverted(config, workdir, shots, generator, perceptual):
  """Latents [N, L, D] of the images; finished chunks are read from disk."""
  c = config.shots
  inverter = inversion.Inverter(
      inversion_options.networks(generator.module, perceptual),
      options(config), c.batch_size)
  frozen = {"generator": generator.variables, "perceptual": perceptual.load()}
  store = chunks.ChunkStore(
      epath.Path(workdir) / "shots" / "chunks", chunks.fingerprint(
      # The images, not where they lie: the data set may have moved.
      [config.seed, hashlib.sha256(shots.image.tobytes()).hexdigest(),
       samples.fingerprint(generator),
       *(config[name].to_dict() for name in FIELDS)]))
  chunk_latents = []
  for number, first in enumerate(range(0, len(shots.ids), c.batch_size)):
    if not store.done(number):
      part = slice(first, first + c.batch_size)
      result = inverter.run(
          frozen, image_ops.from_uint8(shots.image[part]),
          np.arange(len(shots.ids))[part], jax.random.key(config.seed),
          mean=generator.mean)
      store.save(number, {"latents": result.latents, **{
          f"loss_{k}": v for k, v in result.losses.items()}})
    chunk_latents.append(store.load(number)["latents"])
  return np.concatenate(chunk_latents)
