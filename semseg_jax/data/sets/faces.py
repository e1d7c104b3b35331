"""`faces`: SemanticGAN's faces: CelebAMask-HQ, and MetFaces out of domain.

`celebamask_hq` in eight classes, with the masked paintings of `metfaces` as
`ood_metfaces`. Each download lies in data_dir/<its data set's name>.
"""

from semseg_jax.data import combined


def make(*, data_dir=None, cache_dir=None, size=None, **_):
  """See `datasets.load`."""
  return combined.combine(
      "faces", "celebamask_hq", {"ood_metfaces": ("metfaces", "test")},
      data_dir=data_dir, cache_dir=cache_dir, size=size)
