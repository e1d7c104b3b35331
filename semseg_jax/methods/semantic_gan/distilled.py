"""Stage `distilled`: a segmenter trained on the generator's labeled samples.

As in DatasetGAN (Zhang et al., CVPR 2021, section 3.2): the trained generator
and its labels (branch or fitted head) give any number of pairs; those whose
labels are least certain are left out. The few real labeled images are trained
on beside them, with the augmentation of the baseline `supervised`, whose
network and schedule it shares. Needs neither generator nor inversion
afterwards.

With `distilled.agreement` (ours; co-training, Blum and Mitchell, COLT 1998) the
trained stage `supervised` labels the samples, too, and pixels that the two
label differently are ignored: one sees images, the other the generator's
features, so that their errors differ.
"""

import functools

from absl import logging
import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax.data import sources
from semseg_jax.methods import supervised
from semseg_jax.methods.common import data
from semseg_jax.methods.common import feature_segmenter
from semseg_jax.methods.common import generators
from semseg_jax.methods.common import networks
from semseg_jax.methods.common import segmenter
from semseg_jax.models import stylegan2
from semseg_jax.ops import image_ops
from semseg_jax.training import stage

# Blocks of the config that the result depends on.
FIELDS = ("distilled", "encoder", "few_shot", "gan", "generator",
          "hypercolumn", "image_discriminator", "inversion", "labels",
          "num_microbatches", "perceptual", "segmenter", "supervised")
BATCH = generators.BATCH  # images of a call of `sampler`


def needs(config) -> tuple[str, ...]:
  """Stages whose networks this one is trained on."""
  return ("gan",
          *(("label_head",) if config.labels.head == "fitted" else ()),
          *(("supervised",) if config.distilled.get("agreement", False)
            else ()))


def make(config, workdir) -> stage.Stage:
  """The stage that `config` describes; its pairs are sampled when it starts."""
  c = config.distilled
  if not 0 < c.keep <= 1:
    raise ValueError(f"config.distilled.keep is {c.keep}; a share in (0, 1]")
  if c.get("styles", 0.0) < 0:  # absent in runs of former versions
    raise ValueError(f"config.distilled.styles is {c.styles}; give 0 or more")
  merged = config.copy_and_resolve_references().unlock()
  merged.supervised.steps = c.steps
  extra = functools.cache(lambda: pairs(config, workdir))
  return supervised.make(merged, workdir, extra=extra)


def pairs(config, workdir) -> sources.Source:
  """Samples with their labels, the least certain left out.

  `config.distilled`: `num_samples` are sampled from `config.seed`; the share
  `keep` with the least mean uncertainty stays (where the heads disagree; of one
  head, or a branch, what its probability lacks to 1), and in those pixels whose
  label's probability is below `min_probability`, or, with `agreement`, that the
  stage `supervised` labels differently, are ignored.
  """
  c = config.distilled
  if workdir is None:  # nothing is trained: pairs of the same kind, to plan
    return data.train_sources(config)[0]
  agreement = c.get("agreement", False)
  if agreement:
    predict = segmenter.restored(config, workdir, "supervised",
                                 needed_by="config.distilled.agreement")
  styles = c.get("styles", 0.0)
  sample = functools.partial(sampler, config, workdir, truncation=c.truncation)
  restyled = sample(styles=styles)
  batches = [restyled(i) for i in range(-(-c.num_samples // BATCH))]
  if agreement:
    # Colors that the segmenter has seen.
    plain = sample() if styles else batches.__getitem__
    batches = [
        (image, label, np.where(
            image_ops.to_label(predict(plain(i)[0])) == label, certain, -1.0),
         uncertain)
        for i, (image, label, certain, uncertain) in enumerate(batches)]
  image, label, certain, uncertain = (
      np.concatenate(x)[:c.num_samples] for x in zip(*batches, strict=True))
  mean = uncertain.mean((1, 2))
  kept = np.sort(np.argsort(mean, kind="stable")[
      :max(1, round(c.keep * len(mean)))])
  label = np.where(certain < c.min_probability, data.ignore_index(config),
                   label).astype(np.uint8)[kept]
  logging.info("distilled: %d of %d samples, mean uncertainty %.4f of %.4f",
               len(kept), len(mean), mean[kept].mean(), mean.mean())
  return sources.InMemory(image[kept], label)


def sampler(config, workdir, *, truncation: float = 1.0,
            styles: float = 0.0, needed_by: str = "stage 'distilled'"):
  """sample(number) -> (uint8 images, labels, their probability, uncertainty).

  `sample(number, seed)` takes latents and noise from another seed than
  `config.seed`.

  Args:
    truncation: psi; 1 truncates nothing.
    styles: largest psi of the other latents that draw the finest layers of the
      images; 0: their own do.
    needed_by: who asks, for error messages.
  """
  generator = networks.generator(config)
  frozen = {"generator": generators.load_ema(config, workdir, needed_by)}
  fitted = config.labels.head == "fitted"
  if fitted:
    frozen["head"] = feature_segmenter.load(
        config, workdir, generator, "label_head", needed_by,
        heads=config.labels.heads)
    logits_of = feature_segmenter.head_logits(
        config, generator, heads=config.labels.heads)
  psi = truncation

  @jax.jit
  def sample(frozen, key):
    z_key, noise_key, mean_key = jax.random.split(key, 3)
    mapping = lambda key, n=BATCH: generator.apply(
        frozen["generator"],
        jax.random.normal(key, (n, generator.style_dim)), method="mapping")
    synthesize = lambda latents: generator.apply(
        frozen["generator"], latents, stylegan2.random_noise(
            noise_key, BATCH, generator.noise_shapes), method="synthesize")
    w = mapping(z_key)
    if psi != 1.0 or styles:
      mean = mapping(mean_key, 1024).mean(0)
    if psi != 1.0:
      w = stylegan2.truncate(w, mean, psi)
    generated, maps = synthesize(
        stylegan2.broadcast_latents(w, generator.num_ws))
    image = generated.image
    if styles:
      w_key, extent_key = jax.random.split(
          jax.random.fold_in(key, 3))  # 0 to 2 may be the keys from `split`
      image = synthesize(stylegan2.restyle(
          w, mapping(w_key), mean,
          styles * jax.random.uniform(extent_key, (BATCH, 1)),
          generator.num_ws))[0].image
    every = logits_of(frozen["head"], maps) if fitted else (
        generated.logits[None])
    logits = feature_segmenter.mean_logits(every)
    label = image_ops.to_label(logits)
    if logits.shape[-1] == 1:
      p = jax.nn.sigmoid(logits[..., 0])
      certain = jnp.maximum(p, 1 - p)
    else:
      certain = jax.nn.softmax(logits).max(-1)
    uncertain = (1 - certain if len(every) == 1 else
                 feature_segmenter.disagreement(every))
    return image_ops.to_uint8(image), label, certain, uncertain

  return lambda number, seed=config.seed: jax.device_get(
      sample(frozen, jax.random.fold_in(jax.random.key(seed), number)))
