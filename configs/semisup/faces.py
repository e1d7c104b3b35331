"""Baselines of SemanticGAN's table on faces (CelebA-Mask, MetFaces).

  semseg-jax train --config=configs/semisup/faces.py:labels=30 \
      --config.data.data_dir=DATA \
      --config.segmenter.weights=resnet101.safetensors --workdir=runs/faces_30
  semseg-jax eval  (the same flags)

Arguments: method (supervised, mean_teacher, adv_ssl, each with the supervised
baseline, or baselines, all three), labels (30, 150 and 1500 in the paper),
unlabeled, seed, match_official, smoke. Data as for
configs/semantic_gan/faces.py; see few_labels.py.
"""

from configs.semantic_gan import faces
from configs.semisup import few_labels


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  return few_labels.make(arg, faces, labels=30)
