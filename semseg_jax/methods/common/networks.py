"""Builds the networks of a config; the only reader of their fields."""

import jax.numpy as jnp

from semseg_jax.models import discriminators
from semseg_jax.models import fpn_encoder
from semseg_jax.models import projected_discriminator
from semseg_jax.models import residual_encoder
from semseg_jax.models import stylegan2

# Where a generator's labels come from: its own branch, trained with it, or a
# head fitted to its features of inverted labeled images.
LABEL_HEADS = ("branch", "fitted")


def label_channels(config) -> int:
  """Channels of predicted label maps: 0 = no labels, 1 = binary, else one per
  class."""
  if not config.data.num_labeled:
    return 0
  return 1 if config.data.num_classes == 2 else config.data.num_classes


def branch_channels(config) -> int:
  """Channels of the generator's label branch; 0 where it draws images alone.

  Raises ValueError: an unknown `config.labels.head`.
  """
  head = config.labels.head
  if head not in LABEL_HEADS:
    raise ValueError(f"config.labels.head is {head!r}; use one of "
                     f"{', '.join(LABEL_HEADS)}")
  return label_channels(config) if head == "branch" else 0


def pairs(channels, field: str) -> tuple[tuple[int, int], ...] | None:
  """The config's (size, width) pairs, hashable; None for the table alone.

  Args:
    channels: value of the config's field.
    field: its name, for messages.

  Raises ValueError: it holds something else than pairs of sizes and widths.
  """
  try:
    table = tuple((int(size), int(width)) for size, width in channels)
  except (TypeError, ValueError):
    table = ((0, 0),)
  if any(size < 4 or size & (size - 1) or width < 1 for size, width in table):
    raise ValueError(
        f"config.{field} is {channels!r}: give pairs of a size (4, 8, 16, ...) "
        "and its width, such as ((4, 64), (8, 32))")
  return table or None


def _sizes(config, block: str) -> dict:
  """What StyleGAN2's networks have in common, by the widths of a block.

  Raises ValueError: a size that they cannot have.
  """
  c = config[block]
  try:
    stylegan2.check_size(config.data.size)
  except ValueError as error:
    raise ValueError(f"config.data.{error}") from None
  return dict(
      size=config.data.size, image_channels=config.data.channels,
      channel_multiplier=c.channel_multiplier, max_channels=c.max_channels,
      channels=pairs(c.channels_per_resolution,
                     f"{block}.channels_per_resolution"),
      dtype=jnp.dtype(config.dtype))


def generator(config) -> stylegan2.Generator:
  """The StyleGAN2 generator with the label branch that `config` describes."""
  c = config.generator
  return stylegan2.Generator(
      style_dim=c.style_dim, mlp_layers=c.mlp_layers,
      label_channels=branch_channels(config), remat=config.remat,
      **_sizes(config, "generator"))


def image_discriminator(config):
  """Dr, the discriminator of images: "stylegan2" or "projected".

  Raises ValueError: `config.image_discriminator.kind` is neither.
  """
  c = config.image_discriminator
  if c.kind == "projected":
    return projected_discriminator.ProjectedDiscriminator(
        width=c.head_width,
        minibatch_stddev=c.minibatch_stddev,
        dtype=jnp.dtype(config.dtype))
  if c.kind != "stylegan2":
    raise ValueError(f"config.image_discriminator.kind is {c.kind!r}; use "
                     "'stylegan2' or 'projected'")
  return discriminators.ImageDiscriminator(
      remat=config.remat, **_sizes(config, "image_discriminator"))


def patch_discriminator(config):
  """Dm, the discriminator of image-label pairs: "patch" or "projected".

  Raises ValueError: `config.patch_discriminator.kind` is neither.
  """
  c = config.patch_discriminator
  if c.kind == "projected":
    return projected_discriminator.ProjectedDiscriminator(
        width=c.width, dtype=jnp.dtype(config.dtype))
  if c.kind != "patch":
    raise ValueError(f"config.patch_discriminator.kind is {c.kind!r}; use "
                     "'patch' or 'projected'")
  return discriminators.PatchDiscriminator(
      width=c.width, num_layers=c.num_layers, num_scales=c.num_scales,
      dtype=jnp.dtype(config.dtype))


def encoder(config):
  """The encoder into W+: `config.encoder.kind` is "fpn" or "residual"."""
  c = config.encoder
  num_ws = generator(config).num_ws
  if c.kind == "residual":
    return residual_encoder.ResidualEncoder(
        num_ws=num_ws, style_dim=config.generator.style_dim,
        **_sizes(config, "image_discriminator"))
  if c.kind == "fpn":
    return fpn_encoder.FPNEncoder(
        num_ws=num_ws, style_dim=config.generator.style_dim,
        stem_width=c.stem_width, blocks=tuple(c.blocks),
        fpn_channels=c.fpn_channels, head_channels=c.head_channels,
        head_convs=tuple(c.head_convs) or None, dtype=jnp.dtype(config.dtype))
  raise ValueError(
      f"config.encoder.kind is {c.kind!r}; use 'fpn' or 'residual'")


def encode(module, variables, image, *, train: bool):
  """Latents [N, num_ws, D] of images by an encoder.

  Args:
    module: from `encoder`.
    variables: {"params"} and, with batch normalization, {"batch_stats"}.
    image: [N, S, S, C] in [-1, 1].
    train: takes the batch's statistics.

  Returns (latents, what of the variables the pass has changed).
  """
  if train and "batch_stats" in variables:
    latents, changed = module.apply(
        variables, image, train=True, mutable=["batch_stats"])
    return latents, dict(changed)
  return module.apply(variables, image, train=train), {}
