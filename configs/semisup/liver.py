"""Baselines of SemanticGAN's table on livers (CT, MRI).

Labels (in volumes: 8, 20 and 118 in the paper) and the rest: see few_labels.py.
"""

from configs.semantic_gan import liver
from configs.semisup import few_labels

get_config = few_labels.make(liver, labels=8)
