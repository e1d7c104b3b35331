"""Fewshot-SMIS on CelebA landmarks, as published: 1024 px, sparse, 5 shots.

Class 0 is unknown. See `base.published`.
"""

from configs.fewshot_smis import base

get_config = base.published("celeba_landmarks", shots=5, labeling="sparse")
