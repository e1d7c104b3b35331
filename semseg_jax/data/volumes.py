"""Volumes of CT and MRI as images: windowed slices, one after the other."""

from collections.abc import Iterator

import numpy as np

from semseg_jax.data import datasets
from semseg_jax.data import image_files
from semseg_jax.data import intensity
from semseg_jax.data import transforms

LIVER = ("background", "liver")


def liver_spec(name: str, licence: str, citation: str) -> datasets.Spec:
  """Liver on gray slices."""
  return datasets.Spec(
      name=name, class_names=LIVER,
      colors=np.array([[0, 0, 0], [200, 60, 60]], np.uint8), channels=1,
      licence=licence, citation=citation)


def encoded_slice(values: np.ndarray, mask: np.ndarray | None, *,
                  window: tuple[float, float], side: int
                  ) -> tuple[bytes, np.ndarray | None]:
  """One slice, numbers [H, W] -> (PNG of side x side, mask of the same)."""
  gray = intensity.to_uint8(intensity.windowed(values, *window))
  content = image_files.encode_png(
      transforms.resize_image(gray[..., None], side))
  if mask is not None:
    mask = transforms.resize_label(mask.astype(np.uint8), side)
  return content, mask


def names(count: int) -> Iterator[str]:
  """Names of the slices of a volume, which sort in their order."""
  return (f"{k:04d}" for k in range(count))
