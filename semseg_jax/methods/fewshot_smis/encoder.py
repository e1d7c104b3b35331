"""Stage `encoder`: label maps into W+, learned on endless generated pairs.

Fewshot-SMIS, section 3.3: each step samples latents, renders them, labels the
generator's features by the shots' prototypes, and asks the encoder for the
latents from those labels. The loss is the squared error of the latents alone;
no image and no data set is used. Generating the pairs is part of the step.
"""

from typing import Any
from typing import NamedTuple

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from semseg_jax import interop
from semseg_jax.data import datasets
from semseg_jax.methods.common import data
from semseg_jax.methods.common import generators
from semseg_jax.methods.common import grids
from semseg_jax.methods.common import perceptual as perceptual_lib
from semseg_jax.methods.common import trained
from semseg_jax.methods.fewshot_smis import pseudo_labels
from semseg_jax.methods.fewshot_smis import shots as shots_lib
from semseg_jax.models import psp_encoder
from semseg_jax.models import stylegan2
from semseg_jax.ops import image_ops
from semseg_jax.ops import prototypes as prototypes_lib
from semseg_jax.training import checkpoint
from semseg_jax.training import optimizers
from semseg_jax.training import stage

# Blocks of the config that the result depends on.
FIELDS = ("encoder", "pseudo", "shots", "gan", "generator",
          "image_discriminator", "perceptual", "few_shot", "hypercolumn")
BEST_METRIC = "val/score"
NEEDED_BY = "stage 'encoder'"


class State(struct.PyTreeNode):
  """All that training changes."""
  step: jax.Array  # int32 scalar, finished steps
  # {"params", "batch_stats", "mean"}; the mean latent does not change.
  encoder: Any
  optimizer: Any  # optax state


class Pairs(NamedTuple):
  """Generated images with their labels; see `pairs`.

  latents: [N, D]; image: [N, S, S, C] float; label: [N, S, S] int32.
  """
  latents: jax.Array
  image: jax.Array
  label: jax.Array


def unused(config) -> tuple[str, ...]:
  """Blocks of FIELDS that this config makes no use of."""
  return () if config.pseudo.labeling == "fitted" else (
      "few_shot", "hypercolumn")


def network(config, generator) -> psp_encoder.GradualStyleEncoder:
  """The encoder that `config.encoder` describes, for a generator's latents."""
  c = config.encoder
  return psp_encoder.GradualStyleEncoder(
      num_ws=generator.num_ws, style_dim=generator.style_dim,
      latent_split=tuple(c.latent_split), widths=tuple(c.widths),
      units=tuple(c.units), dtype=jnp.dtype(config.dtype))


def onehot(label, num_classes: int):
  """The encoder's input: [N, S, S] -> [N, S, S, C], zero where no class is."""
  classes = jnp.arange(num_classes, dtype=label.dtype)
  return (label[..., None] == classes).astype(jnp.float32)


def pairs(generator, labeler, variables, prototypes, rngs, size: int
          ) -> Pairs:
  """Samples of the generator and their pseudo labels, for use within jit.

  Args:
    labeler: of `pseudo_labels.make`.
    variables: the generator's.
    prototypes: of the shots.
    rngs: {"z" [N, D], "noise"}.
    size: side of labels and images, at most the generator's.
  """
  latents = generator.apply(variables, rngs["z"], method="mapping")
  sample, features = generator.apply(
      variables, stylegan2.broadcast_latents(latents, generator.num_ws),
      rngs["noise"], method="synthesize")
  label = labeler.label(prototypes, features)
  return Pairs(latents, image_ops.area_reduce(sample.image, size),
               prototypes_lib.enlarge(label, size))


def draw(key, n: int, generator):
  """The randomness of `n` pairs."""
  z_key, noise_key = jax.random.split(key)
  return {"z": jax.random.normal(z_key, (n, generator.style_dim)),
          "noise": stylegan2.random_noise(
              noise_key, n, generator.noise_shapes)}


def make(config, workdir) -> stage.Stage:
  """The stage that `config` describes."""
  c = config.encoder
  generator = generators.module(config)
  labeler = pseudo_labels.make(config, generator)
  module = network(config, generator)
  perceptual = perceptual_lib.make(config, workdir, NEEDED_BY)
  size = pseudo_labels.working_size(config)
  tx = optimizers.ranger(c.learning_rate)
  if c.select not in ("images", "latents"):
    raise ValueError(f"config.encoder.select is {c.select!r}; use 'images' "
                     "or 'latents'")

  def pairs_of(frozen, rngs):
    return pairs(generator, labeler, frozen["generator"], frozen["prototypes"],
                 rngs, size)

  def load_frozen():
    trained_generator = generators.load(config, workdir, NEEDED_BY)
    if workdir is None:
      latents = jax.ShapeDtypeStruct(
          (max(1, config.shots.count), generator.num_ws, generator.style_dim),
          jnp.float32)
      prototypes = pseudo_labels.prototype_shapes(
          trained_generator, labeler, latents)
    else:
      shots = shots_lib.load(config, workdir, NEEDED_BY)
      latents = shots.latents
      prototypes = pseudo_labels.prototypes_of(
          config, trained_generator, labeler, latents, shots.label)
    return {
        "generator": trained_generator.variables,
        "mean": trained_generator.mean, "prototypes": prototypes,
        "perceptual": perceptual.load(), "shot_latents": latents}

  def init(key, frozen):
    x = jnp.zeros((1, size, size, labeler.num_classes))
    variables = dict(module.init(key, x, train=False))
    mean = frozen["mean"] if frozen else jnp.zeros(generator.style_dim)
    return State(
        step=jnp.zeros((), jnp.int32),
        encoder={**variables, "mean": {"latents": mean}},
        optimizer=tx.init(variables["params"]))

  def train_step(state, frozen, batch, rngs, *, phase):
    del batch, phase
    pair = pairs_of(frozen, rngs)
    x = onehot(pair.label, labeler.num_classes)

    def loss_fn(params):
      latents, changed = module.apply(
          {**state.encoder, "params": params}, x, train=True,
          mutable=["batch_stats"])
      return jnp.square(latents - pair.latents[:, None]).mean(), changed

    params = state.encoder["params"]
    (loss, changed), gradients = jax.value_and_grad(
        loss_fn, has_aux=True)(params)
    deltas, opt = tx.update(gradients, state.optimizer, params)
    return State(
        step=state.step + 1,
        encoder={**state.encoder, **changed,
                 "params": optax.apply_updates(params, deltas)},
        optimizer=opt), {"loss": loss}

  return stage.Stage(
      steps=c.steps, load_frozen=load_frozen, init=init,
      phases=lambda step: ("step",),
      rngs=lambda key, phase: draw(key, c.batch_size, generator),
      train_step=train_step,
      train_data=lambda start: iter(dict, None),  # endless, without data
      **_watched(config, generator, labeler, module, perceptual, pairs_of))


def _watched(config, generator, labeler, module, perceptual, pairs_of):
  """The stage's `sample` and `validate`; see `make` for what it is made of."""
  c = config.encoder
  size = pseudo_labels.working_size(config)
  # Painted shots need no data set.
  validated = config.data.name and config.data.validation

  @jax.jit
  def synthesize(encoder, frozen, label):
    latents = module.apply(
        encoder, onehot(label, labeler.num_classes), train=False)
    sample, _ = generator.apply(frozen["generator"], latents,
                                method="synthesize")
    return image_ops.area_reduce(sample.image, size)

  @jax.jit
  def generated(frozen, key):
    return pairs_of(frozen, draw(key, grids.COLUMNS, generator))

  @jax.jit
  def inverted(frozen):
    sample, _ = generator.apply(
        frozen["generator"], frozen["shot_latents"], method="synthesize")
    return image_ops.area_reduce(sample.image, size)

  def sample(state, frozen, key):
    colors = annotation_colors(config)
    rows = lambda *images: np.concatenate([
        grids.tile(np.asarray(p), len(p)) for p in images])
    paint = lambda label: image_ops.colorize(np.asarray(label), colors)
    show = lambda image: image_ops.to_uint8(np.asarray(image))
    pair = generated(frozen, key)
    grid = {"pairs": rows(
        show(pair.image), paint(pair.label),
        show(synthesize(state.encoder, frozen, pair.label)))}
    if state.step <= config.log.sample_every:  # The shots do not change.
      shots = shots_lib.read(config)
      grid["shots"] = rows(
          shots.image, paint(shots.label), show(inverted(frozen)))
    if validated:
      image, label = annotated(config, labeler.size, grids.COLUMNS)
      grid["synthesis"] = rows(
          image, paint(label), show(synthesize(state.encoder, frozen, label)))
    return grid

  @jax.jit
  def distances(frozen, rendered, image):
    image, p = image_ops.from_uint8(image), frozen["perceptual"]
    return jnp.square(rendered - image).mean((1, 2, 3)), perceptual.distance(
        p, perceptual.features(p, rendered), perceptual.features(p, image))

  @jax.jit
  def latent_error(encoder, frozen, key):
    pair = pairs_of(frozen, draw(key, c.batch_size, generator))
    latents = module.apply(
        encoder, onehot(pair.label, labeler.num_classes), train=False)
    return jnp.square(latents - pair.latents[:, None]).mean()

  def validate(state, frozen):
    image, label = annotated(config, labeler.size, c.num_validation_images)
    count, size = len(image), min(c.batch_size, len(image))
    parts = []
    for i in range(0, count, size):  # whole batches: one program
      rows = np.minimum(np.arange(i, i + size), count - 1)
      parts.append([x[:count - i] for x in distances(
          frozen, synthesize(state.encoder, frozen, label[rows]),
          image[rows])])
    mse, distance = (
        float(np.concatenate([np.asarray(x) for x in xs]).mean())
        for xs in zip(*parts, strict=True))
    keys = jax.random.split(  # always the same pairs
        jax.random.key(config.seed), max(1, len(image) // size))
    latent = float(np.mean([
        latent_error(state.encoder, frozen, key) for key in keys]))
    score = -(latent if c.select == "latents"
              else mse + config.shots.perceptual_weight * distance)
    return {"val/mse": mse, "val/perceptual": distance, "val/latent": latent,
            BEST_METRIC: score}

  return {"sample": sample,
          "validate": validate if validated else None}


def annotation_colors(config) -> np.ndarray:
  """Colours of the annotations' classes; gray for unknown."""
  colors = shots_lib.spec(config).colors
  if config.shots.annotation == "mask":
    return colors
  return np.concatenate([np.full((1, 3), 128, np.uint8), colors])


def annotated(config, cells: int, n: int, split: str = ""):
  """The first `n` images of a split and their masks as annotations.

  Args:
    cells: side of the generator's map that is tapped.
    n: how many images; 0, and where there are fewer: all.
    split: its name; "" for the validation split.

  Returns (uint8 [n, S, S, C], int32 [n, S, S]).
  """
  source = datasets.split(
      data.dataset(config), split or config.data.validation)
  examples = [source[i] for i in range(min(n or len(source), len(source)))]
  return shots_lib.annotated(config, examples, cells)


def load(config, workdir, generator: stylegan2.Generator, needed_by: str):
  """(module, variables) of the trained encoder.

  `config.encoder.weights` names a converted file of kind psp/encoder; without
  one it is the stage's best checkpoint on validation.

  Raises:
    FileNotFoundError: no such file, or the stage is not trained.
    ValueError: the file's encoder does not fit generator or classes.
  """
  path = config.encoder.weights
  classes = pseudo_labels.annotation_classes(config)
  if path:
    module, variables = interop.load(path)
    _check_file(path, module, variables, generator, classes)
    return module.clone(dtype=jnp.dtype(config.dtype)), jax.tree.map(
        jnp.asarray, variables)
  module = network(config, generator)
  size = pseudo_labels.working_size(config)
  abstract = dict(jax.eval_shape(
      lambda key: module.init(
          key, jnp.zeros((1, size, size, classes)), train=False),
      jax.random.key(0)))
  abstract["mean"] = {"latents": jax.ShapeDtypeStruct(
      (generator.style_dim,), jnp.float32)}
  return module, trained.restored(
      workdir, "encoder", {"encoder": abstract}, needed_by,
      step=checkpoint.best)["encoder"]


def _check_file(path, module, variables, generator, classes):
  if not isinstance(module, psp_encoder.GradualStyleEncoder):
    raise ValueError(
        f"config.encoder.weights: {path} holds a {type(module).__name__}; a "
        "file of kind psp/encoder is needed")
  if "mean" not in variables:
    raise ValueError(
        f"config.encoder.weights: {path} has no mean latent: convert it again "
        "from the whole checkpoint, where 'latent_avg' lies beside the network")
  actual = {
      "latents": module.num_ws, "numbers in a latent": module.style_dim,
      "classes": variables["params"]["stem"]["kernel"].shape[2]}
  wanted = {"latents": generator.num_ws,
            "numbers in a latent": generator.style_dim, "classes": classes}
  for what, value in wanted.items():
    if actual[what] != value:
      raise ValueError(f"config.encoder.weights: {path} is for {actual[what]} "
                       f"{what}, this config has {value}")
