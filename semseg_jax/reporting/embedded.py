"""Images as data URIs, small enough for one page."""

import base64
import io

import numpy as np
from PIL import Image

_SIDE = 384  # Longest side of an image in the page.
_JPEG_FROM = 128 * 128  # Photos of more pixels are kept as JPEG.
_WRONG = (230, 0, 200)
_IGNORED = (150, 150, 150)


def svg(text: str) -> str:
  """An SVG file's text as a data URI."""
  return _uri(text.encode(), "svg+xml")


def photo(image: np.ndarray, *, side: int = _SIDE) -> str:
  """uint8 [H, W], [H, W, 1] or [H, W, 3] as a data URI of at most `side`."""
  if image.ndim == 3 and image.shape[2] == 1:
    image = image[..., 0]
  shown = Image.fromarray(np.ascontiguousarray(image)).convert("RGB")
  shown.thumbnail((side, side), Image.Resampling.LANCZOS)
  data = io.BytesIO()
  if shown.width * shown.height < _JPEG_FROM:
    shown.save(data, "PNG")
    return _uri(data.getvalue(), "png")
  shown.save(data, "JPEG", quality=88)
  return _uri(data.getvalue(), "jpeg")


def label(label: np.ndarray, colors: np.ndarray, *,
          ignore_index: int = 255) -> str:
  """A label map [H, W] in its classes' colors as a data URI."""
  palette = np.zeros((256, 3), np.uint8)
  palette[:len(colors)] = colors
  palette[ignore_index] = _IGNORED
  return _indexed(label, palette)


def errors(truth: np.ndarray, predicted: np.ndarray, *,
           ignore_index: int) -> str:
  """Wrong pixels in magenta, right ones transparent, ignored ones in gray."""
  kinds = (truth != predicted).astype(np.uint8)
  kinds[truth == ignore_index] = 2
  palette = np.zeros((256, 3), np.uint8)
  palette[1], palette[2] = _WRONG, _IGNORED
  return _indexed(kinds, palette, transparency=0)


def _indexed(label, palette, **options) -> str:
  shown = Image.fromarray(label.astype(np.uint8))
  shown.putpalette(palette.tobytes())
  shown.thumbnail((_SIDE, _SIDE), Image.Resampling.NEAREST)
  data = io.BytesIO()
  shown.save(data, "PNG", optimize=True, **options)
  return _uri(data.getvalue(), "png")


def _uri(data: bytes, kind: str) -> str:
  return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
