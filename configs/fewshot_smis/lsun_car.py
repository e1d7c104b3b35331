"""Fewshot-SMIS on LSUN cars, as published: 512 px, dense, 1 shot.

See `base.published`.
"""

from configs.fewshot_smis import base

get_config = base.published("lsun_car", shots=1, labeling="dense")
