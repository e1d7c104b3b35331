"""`celeba_parts4`: CelebAMask-HQ in RepurposeGAN's four classes.

Files and splits are those of `celebamask_hq`.
"""

from semseg_jax.data.sets import celebamask_hq

CLASSES = ("rest", "eye", "mouth", "nose")
COLORS = ((0, 0, 0), (132, 112, 255), (227, 207, 87), (142, 142, 56))
_PARTS = {"l_eye": 1, "r_eye": 1, "mouth": 2, "u_lip": 2, "l_lip": 2, "nose": 3}


def make(*, data_dir=None, cache_dir=None, size=None, **_):
  """See `datasets.load`."""
  return celebamask_hq.open_download(
      celebamask_hq.spec("celeba_parts4", CLASSES, COLORS),
      {part: _PARTS.get(part, 0) for part in celebamask_hq.PARTS},
      data_dir, cache_dir, size)
