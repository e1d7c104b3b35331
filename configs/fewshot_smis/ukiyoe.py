"""Fewshot-SMIS on ukiyo-e faces, as published: 256 px, sparse, 1 shot.

Class 0 is unknown. See `base.published`.
"""

from configs.fewshot_smis import base

get_config = base.published("ukiyoe", shots=1, labeling="sparse",
                            multiplier=1.0)
