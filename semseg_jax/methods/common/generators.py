"""Loads what the stages of a run have trained, for the stages after them."""

from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp

from semseg_jax import interop
from semseg_jax import inversion
from semseg_jax.methods.common import joint_networks
from semseg_jax.methods.common import networks
from semseg_jax.methods.common import trained
from semseg_jax.models import stylegan2
from semseg_jax.ops import image_ops
from semseg_jax.training import checkpoint
from semseg_jax.training import exported

BATCH = 32  # of `sampler`


class Trained(NamedTuple):
  """A generator to sample from and to read features of."""
  module: stylegan2.Generator  # the network
  variables: dict[str, Any]  # its "params" and "noise"
  mean: jax.Array  # [D], the mean latent: where truncation and inversion start


def module(config) -> stylegan2.Generator:
  """The generator that `load` will give, without its variables.

  `config.generator.weights` names a converted file of kind
  stylegan2/generator; without one it is the run's stage `gan`.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: it holds something else, images of another kind than
      `config.data` states, or a label branch: trained with labels, it would
      leak them (allowed by `config.generator.allow_label_branch`).
  """
  return _from_file(config)[0] if _file(config) else _checked(
      config, networks.generator(config), "the config's generator")


def load(config, workdir, needed_by: str) -> Trained:
  """The generator of a converted file or of the run's stage `gan`.

  The mean latent is the file's `latent_avg` where it has one, else
  `mean_latent`.

  Args:
    config: see `module`.
    needed_by: who asks, for the error message.

  Raises:
    FileNotFoundError: no such file, or the stage `gan` is not trained.
    ValueError: see `module`.
  """
  if _file(config):
    network, variables = _from_file(config)
  else:
    network = module(config)
    variables = load_ema(config, workdir, needed_by)
  variables = dict(variables)
  mean = variables.pop("mean", {}).get("code")
  if mean is None and workdir is None and not _file(config):
    mean = jax.ShapeDtypeStruct((network.style_dim,), jnp.float32)
    return Trained(network, variables, mean)
  if mean is None:
    mean = mean_latent(config, network, variables)
  return Trained(network, variables, jnp.asarray(mean))


def sampler(config, workdir, *, truncation: float = 1.0, needed_by: str):
  """sample(number, seed) -> (uint8 images [BATCH, S, S, C],).

  Args:
    truncation: psi; 1 truncates nothing.
    needed_by: who asks, for error messages.
  """
  network, variables, mean = load(config, workdir, needed_by)

  @jax.jit
  def sample(variables, mean, key):
    z_key, noise_key = jax.random.split(key)
    w = network.apply(variables, jax.random.normal(
        z_key, (BATCH, network.style_dim)), method="mapping")
    w = stylegan2.truncate(w, mean, truncation)
    drawn, _ = network.apply(
        variables, stylegan2.broadcast_latents(w, network.num_ws),
        stylegan2.random_noise(noise_key, BATCH, network.noise_shapes),
        method="synthesize")
    return image_ops.to_uint8(drawn.image)

  return lambda number, seed: (jax.device_get(sample(
      variables, mean, jax.random.fold_in(jax.random.key(seed), number))),)


def mean_latent(config, network, variables):
  """[D], the mean of latents sampled from `config.seed`."""
  z = jax.random.normal(
      jax.random.key(config.seed), (inversion.MEAN_SAMPLES, network.style_dim))
  return inversion.mean_latent(
      lambda v, z: network.apply(v, z, method="mapping"), variables, z)


def _file(config) -> str:
  return config.generator.get("weights", "")


def _from_file(config):
  path = _file(config)
  network, variables = interop.load(path)
  if not isinstance(network, stylegan2.Generator):
    raise ValueError(
        f"config.generator.weights: {path} holds a {type(network).__name__}; a "
        "file of kind stylegan2/generator is needed")
  network = _checked(config, network, path)
  # On the device once: NumPy arrays would be sent there at every call.
  return network.clone(dtype=jnp.dtype(config.dtype)), jax.tree.map(
      jnp.asarray, variables)


def _checked(config, network, where):
  """`network`, unless it does not fit the config."""
  for field, value in (("size", network.size),
                       ("channels", network.image_channels)):
    if config.data[field] != value:
      raise ValueError(
          f"config.data.{field} is {config.data[field]}, but {where} makes "
          f"images with {field} {value}: set the field to it")
  if network.label_channels and not config.generator.get(
      "allow_label_branch", config.method == "semantic_gan"):
    raise ValueError(
        f"{where} has a label branch of {network.label_channels} channels, so "
        "it was trained with labels and would leak them: train the stage `gan` "
        "with data.num_labeled=0, or set config.generator.allow_label_branch")
  return network


def run_of_images(config, workdir):
  """Where the stages `gan` and `encoder` are: in `config.labels.run` (a folder,
  an exported file or a shipped model's name) or in the run's own folder.

  Raises ValueError: another run's generator is to be used with a label branch.
  """
  if not config.labels.run or workdir is None:
    return workdir
  if config.labels.head == "branch" and config.data.num_labeled:
    raise ValueError(
        "config.labels.run names another run's generator, which knows no "
        'labels: set config.labels.head to "fitted"')
  return exported.place(config.labels.run)


def load_ema(config, workdir, needed_by: str):
  """The averaged generator's variables {"params", "noise"} of a run."""
  module = networks.generator(config)
  abstract = jax.eval_shape(
      module.init, jax.random.key(0), jnp.zeros((1, module.style_dim)))
  saved = trained.restored(
      run_of_images(config, workdir), "gan",
      {"ema": abstract["params"], "noise": abstract["noise"]}, needed_by)
  return {"params": saved["ema"], "noise": saved["noise"]}


def load_image_discriminator(config, workdir, needed_by: str):
  """Dr's variables of a run's `gan` stage."""
  return _load_discriminator(
      config, workdir, needed_by, "image_discriminator",
      joint_networks.init_image_discriminator)


def load_patch_discriminator(config, workdir, needed_by: str):
  """Dm's variables {"params", "spectral"} of a run's `gan` stage."""
  return _load_discriminator(
      config, workdir, needed_by, "patch_discriminator",
      joint_networks.init_pair_discriminator)


def _load_discriminator(config, workdir, needed_by, name, init):
  modules = joint_networks.make(config)
  abstract = jax.eval_shape(lambda key: init(modules, key), jax.random.key(0))
  return trained.restored(
      run_of_images(config, workdir), "gan", {name: abstract}, needed_by)[name]


def load_encoder(config, workdir, needed_by: str):
  """The encoder's variables {"params", "batch_stats"?} of a run.

  From the checkpoint that was best on validation; the newest without labels.
  """
  return _load_encoder(config, workdir, "encoder", needed_by, checkpoint.best)


def load_first_encoder(config, workdir, needed_by: str):
  """The variables of the encoder that the stage `gan` trained with G."""
  return _load_encoder(config, workdir, "gan", needed_by)


def _load_encoder(config, workdir, stage, needed_by, step=None):
  module = networks.encoder(config)
  size = config.data.size
  abstract = dict(jax.eval_shape(
      lambda key: module.init(
          key, jnp.zeros((1, size, size, config.data.channels)), train=False),
      jax.random.key(0)))
  return trained.restored(
      run_of_images(config, workdir), stage, {"encoder": abstract},
      needed_by, step=step)["encoder"]
