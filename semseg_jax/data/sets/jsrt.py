"""`jsrt`: 247 chest X-rays with the lung masks of the SCR database.

  **/JPC{L,N}N<nnn>.IMG                 2048 x 2048 raw, 16 bits big-endian
  **/fold{1,2}/masks/{left,right} lung/<id>.gif           1024 x 1024

Twelve bits are used, black on white as a film on a light box has it; they are
turned round to the usual white bones. The counts 175 / 25 / 47 are recalled of
SemanticGAN; which images is not published: `splits/jsrt` follows
`id_lists.hashed`. Variant "plain": without equalization and gamma.
"""

import numpy as np

from semseg_jax.data import archives
from semseg_jax.data import errors
from semseg_jax.data import id_lists
from semseg_jax.data import image_files
from semseg_jax.data import intensity
from semseg_jax.data import radiographs

ARCHIVE = archives.Archive(
    "jsrt",
    "the JSRT database (Japanese Society of Radiological Technology, digital "
    "image database) and, for the masks, the SCR database of van Ginneken",
    ("**/JPCLN*.IMG", "**/JPCNN*.IMG", "**/fold1/masks/left lung/*.gif",
     "**/fold2/masks/right lung/*.gif"))
VARIANTS = radiographs.VARIANTS
SIDE = 2048
_HIGHEST = 4095


def make(*, data_dir=None, cache_dir=None, size=None, variant="", **_):
  """See `datasets.load`."""
  root = ARCHIVE.locate(data_dir)
  masks = next(root.glob("**/fold1/masks")).parent.parent.relative_to(root)
  items = ARCHIVE.items(root, "**/{id}.IMG", [
      f"{masks.as_posix()}/fold?/masks/{side} lung/{{id}}.gif"
      for side in ("left", "right")])
  return radiographs.open_lungs(
      "jsrt", ARCHIVE.listed(items, id_lists.shipped("jsrt")),
      variant=variant, size=size, cache_dir=cache_dir, pixels=raw,
      licence="research, no redistribution (JSRT); research (SCR)",
      citation=(
          "Shiraishi et al.: Development of a digital image database for chest "
          "radiographs with and without a lung nodule, AJR 2000; van Ginneken, "
          "Stegmann, Loog: Segmentation of anatomical structures in chest "
          "radiographs using supervised methods, Medical Image Analysis 2006"))


def raw(path: str, channels: int, *, plain: bool) -> np.ndarray:
  """A raw film -> uint8 [2048, 2048, 1], bones white."""
  del channels
  content = image_files.read_bytes(path)
  if len(content) != 2 * SIDE * SIDE:
    raise errors.DataError(
        f"{path}: {len(content)} bytes; a film of {SIDE} x {SIDE} values of 16 "
        f"bits has {2 * SIDE * SIDE}")
  film = np.frombuffer(content, ">u2").reshape(SIDE, SIDE)
  if film.max() > _HIGHEST:
    raise errors.DataError(
        f"{path}: value {film.max()}; 12 bits end at {_HIGHEST}")
  return intensity.radiograph(_HIGHEST - film.astype(np.uint16), plain=plain)
