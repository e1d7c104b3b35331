"""`liver`: SemanticGAN's liver: LiTS, and CHAOS MRI out of domain.

`lits` (labels are counted in volumes) with `ood_in_phase` and `ood_out_phase`
of `chaos`. Each download lies in data_dir/<its data set's name>.
"""

from semseg_jax.data import combined


def make(*, data_dir=None, cache_dir=None, size=None, seed=0):
  """See `datasets.load`."""
  del seed
  return combined.combine(
      "liver", "lits",
      {"ood_in_phase": ("chaos", "in_phase"),
       "ood_out_phase": ("chaos", "out_phase")},
      data_dir=data_dir, cache_dir=cache_dir, size=size)
