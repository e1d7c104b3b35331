"""`coffee_leaf`: aligned coffee leaves with symptoms, 3 classes.

The layout of `folder`; `ood_test` is the un-cropped photographs of the test
leaves (folder `raw_frame`): another framing, the same classes.
"""

from semseg_jax.data.sets import folder

make = folder.named(
    "coffee_leaf",
    licence="MIT",
    citation=(
        "Esgario, Krohling, Ventura: Deep learning for classification and "
        "severity estimation of coffee leaf biotic stress, 2020"),
    extra_splits={"ood_test": ("raw_frame", "test")})
