"""`skin_lesions`: SemanticGAN's skin: ISIC 2018, and four sets beside it.

`isic2018` with the images of `isic2020` as `unlabeled`; out of domain:
`ood_ph2`, `ood_dermis` and `ood_dermquest` (dermis_dermquest). Each download
lies in data_dir/<its data set's name>.
"""

from semseg_jax.data import combined


def make(*, data_dir=None, cache_dir=None, size=None, **_):
  """See `datasets.load`."""
  return combined.combine(
      "skin_lesions", "isic2018",
      {"unlabeled": ("isic2020", "unlabeled"), "ood_ph2": ("ph2", "test"),
       "ood_dermis": ("dermis_dermquest", "dermis"),
       "ood_dermquest": ("dermis_dermquest", "dermquest")},
      data_dir=data_dir, cache_dir=cache_dir, size=size)
