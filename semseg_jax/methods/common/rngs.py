"""All randomness of an iteration of the joint GAN."""

from typing import Any

import jax
import jax.numpy as jnp

from semseg_jax.models import stylegan2
from semseg_jax.ops import augment

_GENERATOR = ("dr", "dm", "g", "path")  # what goes into a generator call


def generator_rngs(key, n: int, generator, mixing: float) -> dict[str, Any]:
  """Randomness of one generator call.

  Args:
    key: PRNG key.
    n: batch size.
    generator: the module, for its sizes.
    mixing: probability of style mixing.

  Returns z [2, n, D] float32, index int32 scalar in [1, L] (latents from it on
  come from the second z; L = no mixing), noise: tuple of [n, h, w, 1].
  """
  z_key, mix_key, index_key, noise_key = jax.random.split(key, 4)
  num_ws = generator.num_ws
  index = jax.random.randint(index_key, (), 1, num_ws)
  mixed = jax.random.bernoulli(mix_key, mixing)
  return {
      "z": jax.random.normal(z_key, (2, n, generator.style_dim)),
      "index": jnp.where(mixed, index, num_ws),
      "noise": stylegan2.random_noise(noise_key, n, generator.noise_shapes),
  }


def axes(rngs):
  """Axis of images of everything in a phase's rngs, None where shared."""
  return {name: {"z": 1, "index": None, "noise": 0}
          if name in _GENERATOR else 0 for name in rngs}


def of_phases(c, generator):
  """(key, phase) -> rngs, for `Stage.rngs`; `c` is the config's `gan`."""
  augmented = c.augment.policy or c.augment.pair_policy

  def rngs(key, phase):
    n = c.batch_size
    keys = iter(jax.random.split(key, 8))
    fake = lambda n=n: generator_rngs(
        next(keys), n, generator, c.style_mixing_prob)
    change = lambda: augment.augment_rngs(next(keys), n) if augmented else ()
    if phase == "d":
      return {"dr": fake(), "dm": fake(), "augment_real": change(),
              "augment_fake": change(), "augment_pair": change(),
              "augment_fake_pair": change()}
    if phase == "r1":
      return {"augment_real": change(), "augment_pair": change()}
    if phase == "g":
      return {"g": fake(), "augment_fake": change(), "augment_pair": change(),
              "augment_fake_pair": change()}
    if phase == "path":
      m = max(1, n // c.path_batch_shrink)
      return {"path": fake(m), "image_noise": jax.random.normal(
          next(keys), (m, generator.size, generator.size,
                       generator.image_channels))}
    if phase == "reconstruction":
      z_key, noise_key = jax.random.split(key)
      return {"reconstruction_noise": stylegan2.random_noise(
          noise_key, n, generator.noise_shapes),
              "many_z": jax.random.normal(
                  z_key, (8 * n, generator.style_dim))}
    return ()

  return rngs
