"""A config of 16 px with a random generator in a file."""

import jax
import numpy as np

from configs.repurpose_gan import base
from configs.semantic_gan import small
from semseg_jax import interop
from semseg_jax.interop import stylegan2 as importer
from semseg_jax.methods.common import networks

SIZE = 16


def config(folder, **changes):
  """The config; its generator's file lies in `folder`."""
  c = base.get_config(small.smoke)
  base.smoke(c)
  c.data.update(name="toy_faces", size=SIZE, num_classes=7, num_unlabeled=8)
  c.generator.update(style_dim=8, mlp_layers=1, max_channels=4)
  c.stages = ("segmenter", "autoshot")
  c.few_shot.update(kind="linear", epochs=6, learning_rate=0.02)
  c.autoshot.width = 2
  c.inversion.update(
      perceptual_weight=0.0, mse_weight=1.0, steps=2, batch_size=2)
  c.evaluation.limit = 3
  c.data.num_validation_images = 2
  path = folder / "generator.safetensors"
  if not path.exists():
    write_generator(c, path, seed=0)
  c.generator.weights = str(path)
  c.update_from_flattened_dict(changes)
  return c


def write_generator(config, path, *, seed):
  """A random generator as a converted file."""
  module = networks.generator(config)
  z = np.zeros((1, module.style_dim), np.float32)
  variables = jax.device_get(jax.jit(module.init)(jax.random.key(seed), z))
  entries = importer.to_torch(importer.generator_entries(module), variables)
  fir = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 16
  for j in range(len(module.resolutions) - 1):
    entries[f"convs.{2 * j}.conv.blur.kernel"] = fir
    entries[f"to_rgbs.{j}.upsample.kernel"] = fir
  interop.save(path, "stylegan2/generator", entries)
