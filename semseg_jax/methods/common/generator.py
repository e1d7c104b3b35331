"""Loads what the stages of a run have trained, for the stages after them.

Where `workdir` is None nothing is read: the arrays' shapes and types come back
in their place, for planning.
"""

from etils import epath
import jax
import jax.numpy as jnp

from semseg_jax.methods.common import networks
from semseg_jax.training import checkpoint


def _restored(workdir, stage: str, abstract, needed_by: str, *, step=None):
  if workdir is None:
    return abstract
  folder = epath.Path(workdir) / stage / "ckpt"
  if not checkpoint.exists(folder):
    raise FileNotFoundError(
        f"{needed_by} needs the trained stage {stage!r}, but {folder} holds no "
        f"checkpoint: train that stage first, in the same --workdir")
  return checkpoint.restore_subtree(
      folder, abstract, step=step(folder) if step else None)


def load_ema(config, workdir, needed_by: str, *, stage: str = "gan"):
  """The averaged generator's variables {"params", "noise"} of a run."""
  module = networks.generator(config)
  abstract = jax.eval_shape(
      module.init, jax.random.key(0), jnp.zeros((1, module.style_dim)))
  saved = _restored(
      workdir, stage, {"ema": abstract["params"], "noise": abstract["noise"]},
      needed_by)
  return {"params": saved["ema"], "noise": saved["noise"]}


def load_image_discriminator(config, workdir, needed_by: str):
  """Dr's variables of a run's `gan` stage."""
  module = networks.image_discriminator(config)
  size = config.data.size
  abstract = jax.eval_shape(
      module.init, jax.random.key(0),
      jnp.zeros((1, size, size, config.data.channels)))
  saved = _restored(workdir, "gan",
                    {"image_discriminator": abstract["params"]}, needed_by)
  return {"params": saved["image_discriminator"]}


def load_patch_discriminator(config, workdir, needed_by: str):
  """Dm's variables {"params", "spectral"} of a run's `gan` stage."""
  module = networks.patch_discriminator(config)
  size = config.data.size
  channels = config.data.channels + networks.label_channels(config)
  abstract = jax.eval_shape(
      lambda key: module.init(key, jnp.zeros((1, size, size, channels)),
                              update_stats=False), jax.random.key(0))
  return _restored(workdir, "gan", {"patch_discriminator": dict(abstract)},
                   needed_by)["patch_discriminator"]


def load_encoder(config, workdir, needed_by: str):
  """The encoder's variables {"params", "batch_stats"?} of a run.

  From the checkpoint that was best on validation; the newest without labels.
  """
  module = networks.encoder(config)
  size = config.data.size
  abstract = dict(jax.eval_shape(
      lambda key: module.init(
          key, jnp.zeros((1, size, size, config.data.channels)), train=False),
      jax.random.key(0)))
  return _restored(workdir, "encoder", {"encoder": abstract}, needed_by,
                   step=checkpoint.best)["encoder"]
