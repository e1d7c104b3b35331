"""Baselines of SemanticGAN's table on skin lesions.

  semseg-jax train --config=configs/semisup/skin.py:labels=40 \
      --config.data.data_dir=DATA \
      --config.segmenter.weights=resnet101.safetensors --workdir=runs/skin_40
  semseg-jax eval  (the same flags)

Arguments: method (supervised, mean_teacher, adv_ssl, each with the supervised
baseline, or baselines, all three), labels (40, 200 and 2000 in the paper),
unlabeled, seed, match_official, smoke. Data as for
configs/semantic_gan/skin.py; see few_labels.py.
"""

from configs.semantic_gan import skin
from configs.semisup import few_labels


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  return few_labels.make(arg, skin, labels=40)
