"""Baselines of SemanticGAN's table on chest X-rays.

  semseg-jax train --config=configs/semisup/cxr.py:labels=9 \
      --config.data.data_dir=DATA \
      --config.segmenter.weights=resnet101.safetensors --workdir=runs/cxr_9
  semseg-jax eval  (the same flags)

Arguments: method (supervised, mean_teacher, adv_ssl, each with the supervised
baseline, or baselines, all three), labels (9, 35 and 175 in the paper),
unlabeled, seed, match_official, smoke. Data as for
configs/semantic_gan/cxr.py; see few_labels.py.
"""

from configs.semantic_gan import cxr
from configs.semisup import few_labels


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  return few_labels.make(arg, cxr, labels=9)
