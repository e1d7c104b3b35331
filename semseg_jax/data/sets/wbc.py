"""`wbc`: single white blood cells, 3 classes; another stain as `ood_val`.

The layout of `folder`. There is no unlabeled split: the unlabeled pool is
the labeled one without its labels (see `subsets`).
"""

from semseg_jax.data.sets import folder

make = folder.named(
    "wbc",
    licence="GPL-3.0",
    citation=(
        "Zheng, Wang, Wang, Liu: Fast and robust segmentation of white "
        "blood cell images by self-supervised learning, Micron 2018"))
