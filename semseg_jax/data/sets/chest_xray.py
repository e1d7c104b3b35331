"""`chest_xray`: SemanticGAN's lungs: JSRT, and three sets beside it.

`jsrt` with the images of `nih_chest_xray` as `unlabeled`; out of domain:
`ood_nlm` (montgomery), `ood_nih`, `ood_sz` (shenzhen). Each download lies in
data_dir/<its data set's name>.
"""

from semseg_jax.data import combined
from semseg_jax.data import datasets
from semseg_jax.data import radiographs

VARIANTS = radiographs.VARIANTS


def make(*, data_dir=None, cache_dir=None, size=None, variant="", **_):
  """See `datasets.load`."""
  of = lambda name: f"{name}/{variant}" if variant else name
  nih = of("nih_chest_xray")
  return combined.combine(
      datasets.full_name("chest_xray", variant), of("jsrt"),
      {"unlabeled": (nih, "unlabeled"), "ood_nlm": (of("montgomery"), "test"),
       "ood_nih": (nih, "test"), "ood_sz": (of("shenzhen"), "test")},
      data_dir=data_dir, cache_dir=cache_dir, size=size)
