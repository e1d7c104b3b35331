r"""RepurposeGAN on coffee leaves (real photographs, 3 classes).

  A=shots=5,cpu
  semseg-jax train --config=configs/repurpose_gan/coffee_leaf.py:$A \
      --config.data.data_dir=DATA/coffee_leaf --workdir=runs/repurpose_leaf
  semseg-jax eval  (the same flags)

Arguments: shots (labeled generated images), segmenter (cnn, cnn_s, cnn_m,
cnn_l, linear, mlp), seed, cpu (64 px, narrow, two cores), run (another run of
images alone, whose generator is used), smoke. Without `cpu`: 128 px, one GPU.
"""

from configs.repurpose_gan import base


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  c, a = base.sized(arg, "coffee_leaf")
  if a["smoke"]:
    return c
  if a["cpu"]:
    # The generator may be that of configs/fewshot_smis/coffee_leaf.py.
    c.gan.update(steps=4000, ema_decay=0.995)
  else:
    # 1245 images are few for a GAN that runs this long.
    c.gan.augment.update(policy=("color", "translation"), strength=0.6)
  return c
