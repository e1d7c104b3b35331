"""Fewshot-SMIS on CelebAMask-HQ faces, as published: 1024 px, dense, 5 shots.

See `base.published`.
"""

from configs.fewshot_smis import base

get_config = base.published("celebamask", shots=5, labeling="dense")
