r"""RepurposeGAN on the procedural faces, 32 px, for two CPU cores.

  semseg-jax train --config=configs/repurpose_gan/toy_faces.py:shots=5 \
      --workdir=runs/repurpose_toy_faces
  semseg-jax eval --config=configs/repurpose_gan/toy_faces.py:shots=5 \
      --workdir=runs/repurpose_toy_faces

Arguments: shots (labeled generated images), segmenter (cnn, cnn_s, cnn_m,
cnn_l, linear, mlp), unlabeled (images of the GAN), seed, shipped (64 px, the
generator of the shipped model toy_faces; docs/one_image.md), smoke.
"""

from configs import common
from configs.repurpose_gan import base
from configs.semantic_gan import small


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(arg, shots=1, segmenter="cnn", unlabeled=2000, seed=0,
                       shipped=False, smoke=False)
  c = base.get_config(small.smoke if a["smoke"] else
                      small.two_cores if a["shipped"] else small.shrink)
  base.chosen(c, a, "toy_faces", num_unlabeled=a["unlabeled"])
  if a["smoke"]:
    return base.smoke(c)
  base.two_cores(c)
  if a["shipped"]:
    c.labels.run = "toy_faces"
    c.stages = ("segmenter",)
    c.data.size = 64
    c.supervised.update(width=12, levels=4)
    c.inversion.update(steps=50, batch_size=8)
    c.evaluation.update(limit=16, num_visualized=4)
    return c
  # The generator may be that of configs/fewshot_smis/toy_faces.py.
  c.generator.channels_per_resolution = ((32, 32),)
  c.image_discriminator.channels_per_resolution = ((32, 32),)
  c.gan.update(steps=5000, ema_decay=0.995)
  c.supervised.update(steps=1200, width=16, learning_rate=2e-3)
  c.inversion.steps = 100
  c.evaluation.limit = 96
  c.monitor.samples = 500
  c.log.update(log_every=25, sample_every=250, eval_every=100,
               checkpoint_every=250)
  return c
