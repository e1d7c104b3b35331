"""Baselines of SemanticGAN's table on faces (CelebA-Mask, MetFaces).

Labels (30, 150 and 1500 in the paper) and the rest: see few_labels.py.
"""

from configs.semantic_gan import faces
from configs.semisup import few_labels

get_config = few_labels.make(faces, labels=30)
