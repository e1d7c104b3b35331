"""Baselines of SemanticGAN's table on skin lesions.

Labels (40, 200 and 2000 in the paper) and the rest: see few_labels.py.
"""

from configs.semantic_gan import skin
from configs.semisup import few_labels

get_config = few_labels.make(skin, labels=40)
