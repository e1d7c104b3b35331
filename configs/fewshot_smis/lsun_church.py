"""Fewshot-SMIS on LSUN churches, as published: 256 px, dense, 5 shots.

See `base.published`.
"""

from configs.fewshot_smis import base

get_config = base.published("lsun_church", shots=5, labeling="dense")
