"""`liver`: SemanticGAN's liver: LiTS, and CHAOS MRI out of domain.

`lits` (labels are counted in volumes) with `ood_t1_in` and `ood_t1_out`
of `chaos`. Each download lies in data_dir/<its data set's name>.
"""

from semseg_jax.data import combined


def make(*, data_dir=None, cache_dir=None, size=None, **_):
  """See `datasets.load`."""
  return combined.combine(
      "liver", "lits",
      {"ood_t1_in": ("chaos", "t1_in"),
       "ood_t1_out": ("chaos", "t1_out")},
      data_dir=data_dir, cache_dir=cache_dir, size=size)
