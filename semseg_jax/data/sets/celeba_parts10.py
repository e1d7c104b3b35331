"""`celeba_parts10`: CelebAMask-HQ in RepurposeGAN's ten classes.

Files and splits are those of `celebamask_hq`. Glasses are skin, earrings ears,
necklaces neck, hats the rest.
"""

from semseg_jax.data.sets import celebamask_hq

CLASSES = ("rest", "hair", "brow", "eye", "mouth", "nose", "skin", "ear",
           "neck", "clothes")
COLORS = (
    (0, 0, 0), (102, 205, 170), (25, 25, 112), (132, 112, 255), (227, 207, 87),
    (142, 142, 56), (187, 255, 255), (0, 0, 205), (205, 133, 63),
    (178, 34, 34))
_PARTS = {
    "hair": 1, "l_brow": 2, "r_brow": 2, "l_eye": 3, "r_eye": 3, "mouth": 4,
    "u_lip": 4, "l_lip": 4, "nose": 5, "skin": 6, "eye_g": 6, "l_ear": 7,
    "r_ear": 7, "ear_r": 7, "neck": 8, "neck_l": 8, "cloth": 9}


def make(*, data_dir=None, cache_dir=None, size=None, **_):
  """See `datasets.load`."""
  return celebamask_hq.open_download(
      celebamask_hq.spec("celeba_parts10", CLASSES, COLORS),
      {part: _PARTS.get(part, 0) for part in celebamask_hq.PARTS},
      data_dir, cache_dir, size)
