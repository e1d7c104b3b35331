"""SemanticGAN on coffee leaves (real photographs, 3 classes).

  python train.py --config=configs/semantic_gan/coffee_leaf.py:labels=10,cpu \
      --config.data.data_dir=DATA/coffee_leaf --workdir=runs/leaf10
  python eval.py  (the same flags)

Arguments: labels, unlabeled, seed, cpu (64 px, narrow, two cores in about 90
minutes), release, smoke. Without `cpu`: 128 px for one GPU.
"""

from configs import common
from configs.semantic_gan import base
from configs.semantic_gan import small


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(arg, labels=10, unlabeled=-1, seed=0, cpu=False,
                       release=False, smoke=False)
  c = base.get_config()
  c.release, c.seed = a["release"], a["seed"]
  c.data.update(
      name="coffee_leaf", size=128, num_classes=3, labels=a["labels"],
      unlabeled=a["unlabeled"], split_seed=a["seed"],
      out_of_domain=("ood_test",))
  # 1245 pictures are few for a GAN, and the labelled ones very few for Dm.
  c.gan.augment.update(policy=("color", "translation"), strength=0.6)
  if a["cpu"]:
    small.shrink(c, width=64)
    c.data.size = 64
    c.gan.steps = 5000
    c.encoder.update(steps=1200, decay_start=400, decay_end=1200)
    c.supervised.steps = 1000
    c.inversion.update(steps=100, snapshots=(25, 50, 100))
    c.monitor.samples = 500
    c.log.update(log_every=25, sample_every=250, eval_every=100,
                 checkpoint_every=250)
  else:
    c.generator.max_channels = 256
    c.generator.channel_multiplier = 1.0
    c.image_discriminator.update(max_channels=256, channel_multiplier=1.0)
    c.encoder.update(blocks=(2, 2, 2, 2), fpn_channels=256, head_channels=256,
                     head_convs=(), steps=6000, decay_start=2000,
                     decay_end=6000)
    c.gan.steps = 20_000
    c.supervised.steps = 4000
    c.log.update(log_every=100, sample_every=1000, eval_every=500,
                 checkpoint_every=1000)
  if not a["labels"]:
    c.stages = ("gan",)  # plain StyleGAN2
  if a["smoke"]:
    c.data.size = 32
    small.smoke(c)
  return c
