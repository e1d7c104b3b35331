"""`wingspan`: chest X-rays, both lungs and heart; another archive unlabeled.

The layout of `folder`. The unlabeled pool is the films of another archive
(`unlabeled`) and those of `train_labeled` without their labels, so that a
generator trained on it knows both, and none of it depends on the number of
labels. Left and right lung are classes: images must not be mirrored. Out of
domain: `ood_window`, films of another intensity window.
"""

from semseg_jax.data.sets import folder

make = folder.named(
    "wingspan",
    licence="MIT (Wingspan); unlabeled films: research use",
    citation=(
        "Dong et al.: cardiothoracic ratio estimation, 2019 (Wingspan); "
        "Wang et al.: ChestX-ray8, CVPR 2017 (unlabeled)"),
    also_unlabeled=("train_labeled",))
