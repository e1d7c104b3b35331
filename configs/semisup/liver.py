"""Baselines of SemanticGAN's table on livers (CT, MRI).

  semseg-jax train --config=configs/semisup/liver.py:labels=8 \
      --config.data.data_dir=DATA \
      --config.segmenter.weights=resnet101.safetensors --workdir=runs/liver_8
  semseg-jax eval  (the same flags)

Arguments: method (supervised, mean_teacher, adv_ssl, each with the supervised
baseline, or baselines, all three), labels (in volumes: 8, 20 and 118 in the
paper), unlabeled, seed, match_official, smoke. Data as for
configs/semantic_gan/liver.py; see few_labels.py.
"""

from configs.semantic_gan import liver
from configs.semisup import few_labels


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  return few_labels.make(arg, liver, labels=8)
