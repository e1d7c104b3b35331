r"""SemanticGAN on the procedural faces, 32 px, or 64 px with `fitted`.

  semseg-jax train --config=configs/semantic_gan/toy_faces.py:labels=20 \
      --workdir=runs/toy_faces20
  semseg-jax eval --config=configs/semantic_gan/toy_faces.py:labels=20 \
      --workdir=runs/toy_faces20

Arguments: labels, unlabeled, seed, long (of 32 px: about three times the steps,
and more test images), fitted (64 px; a generator of images alone and fitted
labels), run (of "fitted": folder, exported file or shipped name of a run with
labels=0), demo (fitted, few steps and images), match_official, smoke.
"""

from configs.semantic_gan import base
from configs.semantic_gan import experiments
from configs.semantic_gan import small


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  c, a = experiments.start(
      arg, "toy_faces", labels=20, unlabeled=2000, long=False, fitted=False,
      demo=False, run="")
  fitted = a["fitted"] or a["demo"]
  experiments.check_run(a, fitted)
  if a["long"] and fitted:
    raise ValueError("config argument long is of 32 px without a fitted head: "
                     "leave it out beside fitted or demo")
  small.shrink(c, width=64)
  c.generator.channels_per_resolution = ((32, 32),)
  c.image_discriminator.channels_per_resolution = ((32, 32),)
  # The average follows within some hundred steps, as the run is short.
  c.gan.update(steps=1500, ema_decay=0.995)
  # Dm would memorise its few images; the many that Dr sees need none.
  c.gan.augment.update(pair_policy=("color", "translation"), strength=0.6)
  c.encoder.update(steps=600, decay_start=300, decay_end=600)
  c.supervised.update(steps=1200, width=16, learning_rate=2e-3)
  c.inversion.update(snapshots=(25, 50), steps=50)
  c.evaluation.update(limit=96)
  c.monitor.samples = 500
  c.log.update(log_every=25, sample_every=250, eval_every=100,
               checkpoint_every=250)
  if a["long"]:
    c.gan.steps = 5000
    c.encoder.update(steps=1600, decay_start=800, decay_end=1600)
    c.inversion.update(snapshots=(25, 50, 100), steps=100)
    c.evaluation.limit = 200
  if fitted:
    small.two_cores(c)
    if "unlabeled" not in a.given:
      c.data.num_unlabeled = -1  # rendered: there are as many as wanted
    # Colors are what the faces differ in, and Dr cannot memorize 1,500 of them.
    c.gan.augment.update(policy=("translation",), strength=0.6)
    small.varied(c)
    c.supervised.update(width=12, levels=4)
    c.distilled.num_samples = 2000
    c.inversion.update(steps=50, snapshots=(25, 50))
    base.fit_labels(c, a["run"])
    # Chosen on `ood_val` among 0 (each sample's own colors), 3, 6 and 12.
    c.distilled.styles = 12.0
  if a["demo"]:
    c.stages = ("supervised", "label_head", "distilled")
    # On 20 images it gains little by more.
    c.supervised.steps = 600
    c.evaluation.update(limit=32, num_visualized=8)
  if not a["labels"]:
    # Plain StyleGAN2, and what other runs need of it.
    c.stages = ("gan", "encoder") if a["fitted"] else ("gan",)
  if a["smoke"]:
    small.smoke(c)
    c.data.size = 16
  return c
