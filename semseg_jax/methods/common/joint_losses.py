"""Losses of the joint GAN of images and labels, as pure functions.

SemanticGAN (Li et al., CVPR 2021, section 3): a generator G draws an image and
its label; Dr judges images, Dm pairs of an image and a label. G and Dr are
StyleGAN2's (Karras et al., CVPR 2020); Dr may be a projected discriminator
instead (Sauer et al., NeurIPS 2021).

A loss is called as loss(gan, frozen, state, params, batch, rngs): `params` are
what it is differentiated by, everything else is constant. It returns (loss,
(extra, metrics)), where `extra` is what the forward pass has computed besides:
vectors of spectral norms or a running mean.
"""

from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp

from semseg_jax.methods.common import data
from semseg_jax.methods.common import joint_networks as nets
from semseg_jax.methods.common import networks
from semseg_jax.models import stylegan2
from semseg_jax.ops import augment
from semseg_jax.ops import gan_losses
from semseg_jax.ops import segmentation_losses

PATH_DECAY = 0.01  # rate of the running mean of path lengths


class Gan(NamedTuple):
  """What the losses need besides arrays."""
  modules: nets.Modules  # the nets
  options: Any  # the config's block `gan`
  ignore_index: int  # label of pixels without one
  num_microbatches: int  # parts that a batch is split into
  perceptual: Any = None  # the distance of reconstructions


def discriminator_loss(gan, frozen, state, params, batch, rngs):
  """E[softplus(-Dr(x))] + E[softplus(Dr(G(z)))].

  Projected: sum_l E[max(0, 1 - Dl(x))] + E[max(0, 1 + Dl(G(z)))] over scales.
  """
  real = real_image(gan, state, batch, rngs)
  fake = augmented(gan, state, rngs["augment_fake"],
                   synthesize(gan, state.generator, rngs["dr"]).image)
  dr = {**state.image_discriminator, "params": params}
  real_scores, dr = nets.score_image(gan.modules, frozen, dr, real)
  fake_scores, dr = nets.score_image(gan.modules, frozen, dr, fake)
  if gan.modules.projected:
    loss = gan_losses.hinge_discriminator(real_scores, fake_scores)
  else:
    loss = gan_losses.logistic_discriminator(*real_scores, *fake_scores)
  return loss, (spectral(dr), {
      "dr/loss": loss, "dr/real_score": nets.mean_score(real_scores),
      "dr/fake_score": nets.mean_score(fake_scores),
      "dr/real_sign": nets.mean_score([jnp.sign(x) for x in real_scores])})


def pair_discriminator_loss(gan, frozen, state, params, batch, rngs):
  """(E[max(0, 1 - Dm(x, y))] + E[max(0, 1 + Dm(G(z)))]) / 2, mean of scales."""
  fake = augmented_pair(gan, state, rngs["augment_fake_pair"],
                        *synthesize(gan, state.generator, rngs["dm"]))
  dm = {**state.patch_discriminator, "params": params}
  fake_maps, dm = nets.pair_maps(gan.modules, frozen, dm, *fake)
  real_maps, dm = nets.pair_maps(
      gan.modules, frozen, dm, *real_pair(gan, state, batch, rngs))
  loss = 0.5 * (gan_losses.patch_discriminator_loss(fake_maps, False)
                + gan_losses.patch_discriminator_loss(real_maps, True))
  real_scores, fake_scores = map(nets.score_maps, (real_maps, fake_maps))
  return loss, (spectral(dm), {
      "dm/loss": loss, "dm/real_score": nets.mean_score(real_scores),
      "dm/fake_score": nets.mean_score(fake_scores)})


def r1_loss(gan, frozen, state, params, batch, rngs):
  """gamma / 2 E[|grad_x Dr(x)|^2], times the iterations that it stands for."""
  penalty = gan_losses.r1_penalty(
      lambda x: nets.score_image(
          gan.modules, frozen, {"params": params}, x)[0][0].sum(),
      real_image(gan, state, batch, rngs))
  return penalty_weight(gan) * penalty, ({}, {"dr/r1": penalty})


def pair_r1_loss(gan, frozen, state, params, batch, rngs):
  """gamma / 2 E[|grad_xy Dm(x, y)|^2], Dm being the sum of its scales."""
  image, label = real_pair(gan, state, batch, rngs)
  dm = {**state.patch_discriminator, "params": params}
  _, advanced = nets.pair_maps(gan.modules, frozen, dm, image, label)

  def score(pair):
    maps, _ = nets.pair_maps(
        gan.modules, frozen, dm, *jnp.split(pair, [image.shape[-1]], -1))
    # A mean over the whole batch, of which this may be a part.
    return sum(x.mean(dtype=jnp.float32)
               for x in nets.score_maps(maps)) / gan.num_microbatches

  penalty = gan_losses.r1_penalty(score, jnp.concatenate([image, label], -1))
  return penalty_weight(gan) * penalty, (spectral(advanced), {"dm/r1": penalty})


def generator_loss(gan, frozen, state, params, batch, rngs):
  """E[softplus(-Dr(x))] - E[Dm(sg(x), y)] + feature matching, x, y = G(z).

  Projected: -sum_l E[Dl(x)] in the first term. sg stops the gradient: Dm
  trains the label branch and what it shares with the image, never the image.
  """
  sample = synthesize(gan, params, rngs["g"])
  scores, dr = nets.score_image(
      gan.modules, frozen, state.image_discriminator,
      augmented(gan, state, rngs["augment_fake"], sample.image))
  if gan.modules.projected:
    image_loss = gan_losses.hinge_generator(scores)
  else:
    image_loss = gan_losses.nonsaturating_generator(*scores)
  if not gan.modules.labeled:
    return image_loss, ((spectral(dr), {}), {
        "g/image": image_loss, "g/loss": image_loss})
  fake_maps, dm = nets.pair_maps(
      gan.modules, frozen, state.patch_discriminator,
      *augmented_pair(gan, state, rngs["augment_fake_pair"],
                      jax.lax.stop_gradient(sample.image), sample.logits))
  real_maps, dm = nets.pair_maps(
      gan.modules, frozen, dm, *real_pair(gan, state, batch, rngs))
  adversarial = gan_losses.patch_generator_loss(fake_maps)
  matching = gan_losses.feature_matching(
      fake_maps, jax.lax.stop_gradient(real_maps),
      gan.options.feature_matching_weight)
  loss = image_loss + adversarial + matching
  return loss, ((spectral(dr), spectral(dm)), {
      "g/image": image_loss, "g/label": adversarial,
      "g/feature_matching": matching, "g/loss": loss})


def path_length_loss(gan, frozen, state, params, batch, rngs):
  """E[(|J_w^T n| - a)^2] for the image, n normal, a the running mean length."""
  del frozen, batch
  latents = mapped(gan, params, rngs["path"])
  penalty, mean, lengths = gan_losses.path_length_penalty(
      lambda w: gan.modules.generator.apply(
          {"params": params}, w, rngs["path"]["noise"],
          method="synthesize")[0].image,
      latents, rngs["image_noise"], state.mean_path_length, decay=PATH_DECAY)
  weight = gan.options.path_length_weight * gan.options.path_every
  return weight * penalty, (
      mean, {"g/path": penalty, "g/path_length": lengths.mean()})


def reconstruction_loss(gan, frozen, state, params, batch, rngs):
  """d(x, G(E(x))) + |x - G(E(x))|^2 + energy distance of E(x) and w, weighted.

  Ours. A generator that has to reconstruct every real image cannot drop any, as
  its discriminator allows it to (Larsen et al., ICML 2016, have an encoder in a
  GAN for this). One latent, E's mean over layers, stands for an image. The last
  term (Szekely and Rizzo 2013; Tolstikhin et al., ICLR 2018, match codes and
  prior so) makes what the mapping samples like what real images are encoded as.
  """
  c, generator = gan.options.reconstruction, gan.modules.generator
  image = data.to_float(batch["unlabeled"]["image"])
  g, e = params["generator"], {**state.encoder, "params": params["encoder"]}
  latents, changed = networks.encode(gan.modules.encoder, e, image, train=True)
  latents = latents.mean(1)
  again = render(gan, g, latents, rngs["reconstruction_noise"])
  features = lambda x: gan.perceptual.features(frozen["perceptual"], x)
  distance = gan.perceptual.distance(
      frozen["perceptual"], features(again), features(image)).mean()
  mse = jnp.square(again - image).mean()

  mapped = generator.apply({"params": g}, rngs["many_z"], method="mapping")
  spread = gan_losses.energy_distance(mapped, latents)
  loss = (c.perceptual_weight * distance + c.mse_weight * mse
          + c.spread_weight * spread)
  return loss, (changed, {
      "g/reconstruction_perceptual": distance, "g/reconstruction_mse": mse,
      "g/energy_distance": spread})


def render(gan, params, latents, noise):
  """Images of latents [N, D]."""
  generator = gan.modules.generator
  return generator.apply(
      {"params": params}, stylegan2.broadcast_latents(
          latents, generator.num_ws), noise, method="synthesize")[0].image


def penalty_weight(gan) -> float:
  """gamma / 2 times the iterations between two penalties."""
  return gan.options.r1_gamma / 2 * gan.options.r1_every


def mapped(gan, params, rngs):
  """Latents [N, num_ws, D] of two z, mixed."""
  generator = gan.modules.generator
  w1, w2 = (generator.apply({"params": params}, z, method="mapping")
            for z in rngs["z"])
  return stylegan2.mix_latents(w1, w2, rngs["index"], generator.num_ws)


def synthesize(gan, params, rngs) -> stylegan2.Sample:
  """G(z): an image and the logits of its label."""
  return gan.modules.generator.apply(
      {"params": params}, mapped(gan, params, rngs), rngs["noise"],
      method="synthesize")[0]


def real_image(gan, state, batch, rngs):
  """Unlabeled images as Dr sees them."""
  return augmented(gan, state, rngs["augment_real"],
                   data.to_float(batch["unlabeled"]["image"]))


def real_pair(gan, state, batch, rngs):
  """Labeled images with their labels as maps in {-1, 1}, as Dm sees them."""
  batch = batch["labeled"]
  onehot = segmentation_losses.one_hot(
      batch["label"], gan.modules.generator.label_channels, gan.ignore_index)
  return augmented_pair(gan, state, rngs["augment_pair"],
                        data.to_float(batch["image"]), 2 * onehot - 1)


def augmented(gan, state, rngs, image):
  """Images after `augment.policy`."""
  policy = tuple(gan.options.augment.policy)
  return augment.augment(
      rngs, image, policy=policy,
      strength=state.augment_strength) if policy else image


def augmented_pair(gan, state, rngs, image, label):
  """Pairs after `augment.pair_policy`."""
  policy = tuple(gan.options.augment.pair_policy)
  return augment.augment(
      rngs, image, label, policy=policy,
      strength=state.augment_strength) if policy else (image, label)


def spectral(variables):
  """All variables but the parameters."""
  return {k: v for k, v in variables.items() if k != "params"}
