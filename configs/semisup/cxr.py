"""Baselines of SemanticGAN's table on chest X-rays.

Labels (9, 35 and 175 in the paper) and the rest: see few_labels.py.
"""

from configs.semantic_gan import cxr
from configs.semisup import few_labels

get_config = few_labels.make(cxr, labels=9)
