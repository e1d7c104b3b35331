"""Fewshot-SMIS on anime faces, as published: 512 px, sparse, 1 shot.

Class 0 is unknown. See `base.published`.
"""

from configs.fewshot_smis import base

get_config = base.published("anime", shots=1, labeling="sparse")
