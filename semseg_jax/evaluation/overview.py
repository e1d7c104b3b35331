"""Images of an evaluation: color maps, overlays and one overview figure."""

from etils import epath
import numpy as np

from semseg_jax.evaluation import figures
from semseg_jax.ops import image_ops

_ROWS = 8  # First images shown in the overview.
_EXTREMES = 3  # Best, and worst, images shown.
_NAME_LENGTH = 18


def draw(folder, source, *, spec, images: int, stems, quality) -> None:
  """Draws what the index masks in `folder`/predictions show.

  Writes predictions/*_color.png and *_overlay.png of the first `images`
  images, and overview.png: the first few images, then the worst and the
  best ones of the first method, each beside its truth.

  Args:
    folder: the evaluation's.
    source: the labeled images.
    spec: the data set's `Spec`.
    images: how many images get files of their own.
    stems: by method, start of each image's file names.
    quality: by method, [N] score of each image in [0, 1].
  """
  folder = epath.Path(folder)
  predictions = folder / "predictions"
  for names in stems.values():
    for i in range(min(images, len(source))):
      image = source[i]["image"]
      color = image_ops.colorize(
          figures.read(predictions / f"{names[i]}_index.png"), spec.colors)
      figures.save(predictions / f"{names[i]}_color.png", color)
      figures.save(predictions / f"{names[i]}_overlay.png",
                   image_ops.overlay(image, color))
  figures.save(
      folder / "overview.png",
      _overview(predictions, source, spec, stems, quality, images))


def _overview(predictions, source, spec, stems, quality, images):
  first = next(iter(quality.values()))
  shown = [("", i) for i in range(min(_ROWS, len(source)))]
  if len(source) > len(shown):
    order = np.argsort(first, kind="stable")
    # Those not shown yet, and of them what has a score.
    order = order[(order >= len(shown)) & np.isfinite(first[order])]
    shown += [("worst: ", i) for i in order[:_EXTREMES]]
    shown += [("best: ", i) for i in order[::-1][:_EXTREMES]]
  rows, names = [], []
  for prefix, i in shown:
    example = source[int(i)]
    row = [example["image"], image_ops.colorize(example["label"], spec.colors)]
    for method in stems:
      start = predictions / stems[method][i]
      mask = figures.read(f"{start}_index.png")
      row += [image_ops.colorize(mask, spec.colors),
              _if_there(f"{start}_reconstruction.png")]
    rows.append(row)
    names.append(f"{prefix}{_shortened(source.ids[i])}\n{100 * first[i]:.1f}")
  columns = ["input", "truth"]
  for method in stems:
    columns += [method, f"{method} reconstruction"]
  # A column with nothing in it, such as reconstructions, is left out.
  filled = [c for c in range(len(columns))
            if any(row[c] is not None for row in rows)]
  for c in filled:
    if any(row[c] is None for row in rows):
      columns[c] += f" (of the first {images})"
  figure = figures.grid(
      [[row[c] for c in filled] for row in rows],
      columns=[columns[c] for c in filled], names=names)
  gray = image_ops.gray(np.asarray(spec.colors))
  return figures.stack([figure, figures.legend(
      [*spec.class_names, "not scored"], np.concatenate([spec.colors, gray]),
      width=figure.shape[1])])


def _if_there(path):
  return figures.read(path) if epath.Path(path).exists() else None


def _shortened(text):
  return text if len(text) <= _NAME_LENGTH else f"…{text[1 - _NAME_LENGTH:]}"
