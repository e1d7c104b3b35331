"""Grids of images and legends of classes; reading and writing PNG."""

from collections.abc import Sequence

from etils import epath
import numpy as np
from PIL import Image
from PIL import ImageDraw
from PIL import ImageFont

from semseg_jax.data import image_files
from semseg_jax.data import transforms
from semseg_jax.training import run_dir

_INK = (20, 20, 20)
_PAPER = (255, 255, 255)
_MISSING = (238, 238, 238)
_GAP = 4
_SWATCH = 14  # side of a legend's squares, and size of its text


def grid(rows: Sequence[Sequence[np.ndarray | None]], *, columns: Sequence[str],
         names: Sequence[str], tile: int = 128) -> np.ndarray:
  """Images in rows and columns with headings and row names.

  Args:
    rows: uint8 [H, W, 1 or 3] or [H, W] images of any size, each fitted into
      a square; None leaves a tile empty.
    columns: heading of each column.
    names: name of each row, may hold line breaks.
    tile: side of the squares in pixels.

  Returns uint8 [height, width, 3].
  """
  if len(names) != len(rows) or any(len(r) != len(columns) for r in rows):
    raise ValueError(
        f"{len(names)} names and {len(columns)} columns for rows of "
        f"{[len(r) for r in rows]} images")
  text = font(max(11, tile // 10))
  left = max([text_size(name, text)[0] for name in names] or [0]) + 2 * _GAP
  headings = [_fitted_text(c, text, tile) for c in columns]
  top = max(text_size(h, text)[1] for h in headings) + 2 * _GAP
  width = left + len(columns) * (tile + _GAP)
  height = top + len(rows) * (tile + _GAP)
  canvas = Image.new("RGB", (width, height), _PAPER)
  draw = ImageDraw.Draw(canvas)
  for c, heading in enumerate(headings):
    draw.multiline_text(
        (left + c * (tile + _GAP) + tile / 2, top - _GAP), heading, fill=_INK,
        font=text, anchor="md", align="center")
  for r, row in enumerate(rows):
    y = top + r * (tile + _GAP)
    draw.multiline_text(
        (_GAP, y + tile / 2), names[r], fill=_INK, font=text, anchor="lm")
    for c, image in enumerate(row):
      x = left + c * (tile + _GAP)
      if image is None:
        draw.rectangle((x, y, x + tile - 1, y + tile - 1), _MISSING)
      else:
        fitted = _fitted(image, tile)
        canvas.paste(fitted, (x + (tile - fitted.width) // 2,
                              y + (tile - fitted.height) // 2))
  return np.asarray(canvas)


def legend(class_names: Sequence[str], colors, *, width: int) -> np.ndarray:
  """Swatches with class names, wrapped to `width`; uint8 [height, width, 3]."""
  text = font(_SWATCH)
  line = _SWATCH + 3 * _GAP
  positions, x, y = [], _GAP, _GAP
  for name in class_names:
    needed = 3 * _SWATCH + 2 * _GAP + text_size(name, text)[0]
    if x > _GAP and x + needed > width:
      x, y = _GAP, y + line
    positions.append((x, y))
    x += needed
  canvas = Image.new("RGB", (width, y + line), _PAPER)
  draw = ImageDraw.Draw(canvas)
  for name, color, (x, y) in zip(
      class_names, np.asarray(colors).tolist(), positions, strict=True):
    draw.rectangle((x, y, x + _SWATCH, y + _SWATCH), tuple(color), outline=_INK)
    draw.text((x + _SWATCH + 2 * _GAP, y + _SWATCH / 2), name, fill=_INK,
              font=text, anchor="lm")
  return np.asarray(canvas)


def stack(images: Sequence[np.ndarray]) -> np.ndarray:
  """RGB images below each other, padded with white on the right."""
  width = max(p.shape[1] for p in images)
  return np.concatenate([
      np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0)),
             constant_values=255) for p in images])


def save(path, image: np.ndarray) -> None:
  """Writes uint8 [H, W], [H, W, 1] or [H, W, 3] as PNG, whole or not at all."""
  run_dir.write_bytes(path, image_files.encode_png(image))


def read(path) -> np.ndarray:
  """An image that `save` wrote: [H, W] or [H, W, 3] uint8."""
  with epath.Path(path).open("rb") as f:
    return np.asarray(Image.open(f))


def font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
  """Pillow's own font: no font file is looked for on the machine."""
  return ImageFont.load_default(size)


def text_size(text: str, face) -> tuple[int, int]:
  """(width, height) in pixels of a text that may hold line breaks."""
  box = ImageDraw.Draw(Image.new("L", (1, 1))).multiline_textbbox(
      (0, 0), text, font=face)
  return int(np.ceil(box[2])), int(np.ceil(box[3]))


def _fitted(image, tile):
  """The image inside a square of `tile` pixels, its proportions unchanged."""
  image = transforms.to_pillow(image).convert("RGB")
  scale = tile / max(image.size)
  size = tuple(max(1, round(s * scale)) for s in image.size)
  enlarged = scale > 1
  # Whole pixels stay visible in small images.
  return image.resize(
      size, Image.Resampling.NEAREST if enlarged else Image.Resampling.BOX)


def _fitted_text(text, face, width):
  """The text with line breaks between words so that it is not too wide."""
  lines = [""]
  for word in text.split():
    longer = f"{lines[-1]} {word}".strip()
    if lines[-1] and text_size(longer, face)[0] > width:
      lines.append(word)
    else:
      lines[-1] = longer
  return "\n".join(lines)
