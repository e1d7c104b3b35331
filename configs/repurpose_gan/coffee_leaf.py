"""RepurposeGAN on coffee leaves (real photographs, 3 classes).

  A=shots=5,cpu
  semseg-jax train --config=configs/repurpose_gan/coffee_leaf.py:$A \
      --config.data.data_dir=DATA/coffee_leaf --workdir=runs/repurpose_leaf
  semseg-jax eval  (the same flags)

Arguments: shots (labeled generated images), segmenter (cnn, cnn_s, cnn_m,
cnn_l, linear, mlp), seed, cpu (64 px, narrow, two cores), smoke. Without
`cpu`: 128 px for one GPU.
"""

from configs import common
from configs.repurpose_gan import base
from configs.semantic_gan import small


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(arg, shots=1, segmenter="cnn", seed=0, cpu=False,
                       smoke=False)
  preset = small.two_cores if a["cpu"] else small.one_gpu
  c = base.get_config(small.smoke if a["smoke"] else preset)
  c.seed = a["seed"]
  c.data.update(
      name="coffee_leaf", num_classes=3,
      size=32 if a["smoke"] else 64 if a["cpu"] else 128,
      out_of_domain=("ood_test",))
  c.shots.count = a["shots"]
  c.few_shot.kind = a["segmenter"]
  if a["smoke"]:
    base.smoke(c)
  elif a["cpu"]:
    base.two_cores(c)
    # The generator may be that of configs/fewshot_smis/coffee_leaf.py.
    c.gan.update(steps=4000, ema_decay=0.995)
  else:
    # 1245 images are few for a GAN that runs this long.
    c.gan.augment.update(policy=("color", "translation"), strength=0.6)
  return c
