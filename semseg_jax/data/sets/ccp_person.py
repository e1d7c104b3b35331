"""`ccp_person`: standing persons and their clothing, 8 classes.

The layout of `folder`. Street photographs of real people: research use only.
"""

from semseg_jax.data.sets import folder

make = folder.named(
    "ccp_person",
    licence="Apache-2.0",
    citation=(
        "Yang, Luo, Lin: Clothing co-parsing by joint image segmentation "
        "and labeling, CVPR 2014"))
