r"""RepurposeGAN on standing persons (real photographs, 8 classes).

  A=shots=5,cpu
  semseg-jax train --config=configs/repurpose_gan/ccp_person.py:$A \
      --config.data.data_dir=DATA/ccp_person --workdir=runs/repurpose_person
  semseg-jax eval  (the same flags)

Arguments: shots (labeled generated images), segmenter (cnn, cnn_s, cnn_m,
cnn_l, linear, mlp), seed, cpu (64 px, narrow, two cores), run (another run of
images alone, whose generator is used), smoke. Without `cpu`: 128 px, one GPU.
"""

from configs.repurpose_gan import base


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  c, _ = base.sized(arg, "ccp_person")
  # Few images for a GAN.
  c.gan.augment.update(policy=("color", "translation"), strength=0.6)
  return c
