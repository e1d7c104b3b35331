"""Fewshot-SMIS on LSUN cats, as published: 256 px, sparse, 1 shot.

Class 0 is unknown. See `base.published`.
"""

from configs.fewshot_smis import base

get_config = base.published("lsun_cat", shots=1, labeling="sparse")
