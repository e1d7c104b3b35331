"""Labels written for images without masks."""

import json

import numpy as np
from PIL import Image
import pytest

from semseg_jax.data import datasets
from semseg_jax.data import image_folder
from semseg_jax.evaluation import labels

SPEC = datasets.Spec(
    name="two", class_names=("dark", "bright"),
    colors=np.array([[0, 0, 0], [255, 255, 255]], np.uint8))


@pytest.fixture
def source(tmp_path):
  folder = tmp_path / "images"
  folder.mkdir()
  for i in range(5):
    array = np.zeros((8 + i, 16, 3), np.uint8)
    array[:, 8:] = 255
    Image.fromarray(array).save(folder / f"{i}.png")
  return image_folder.ImageFolder(folder, 3)


def _predictor(calls, fail_at=None):
  """Brightness as logits; raises at call number `fail_at`."""

  def predict(images, indices):
    if len(calls) == fail_at:
      raise KeyboardInterrupt
    calls.append(list(indices))
    bright = images.mean(-1) - 127.5
    return {"by_eye": {
        "logits": np.stack([-bright, bright], -1),
        "reconstruction": images,
        "confidence": np.asarray(indices, np.float64)}}

  return predict


def _write(predict, source, out, fingerprint="a"):
  return labels.write(
      predict, source, method="by_eye", spec=SPEC, batch_size=2, size=8,
      out_dir=out, fingerprint=fingerprint)


def test_masks_have_the_images_own_size(source, tmp_path):
  record = _write(_predictor([]), source, tmp_path / "out")
  assert record["confidence"] == {str(i): float(i) for i in range(5)}
  for i in range(5):
    mask = np.asarray(Image.open(tmp_path / f"out/{i}_index.png"))
    assert mask.shape == (8 + i, 16)
    assert (mask[:, :7] == 0).all()
    assert (mask[:, 9:] == 1).all()
    for kind in ("color", "overlay", "reconstruction"):
      assert (tmp_path / f"out/{i}_{kind}.png").exists()
  assert json.loads((tmp_path / "out/labels.json").read_text()) == record


def test_continues_where_it_was_stopped(source, tmp_path):
  calls = []
  with pytest.raises(KeyboardInterrupt):
    _write(_predictor(calls, fail_at=1), source, tmp_path / "out")
  _write(_predictor(calls), source, tmp_path / "out")
  # Two images a call; the last batch repeats its last image.
  assert calls == [[0, 1], [2, 3], [4, 4]]
  _write(_predictor(calls), source, tmp_path / "out")
  assert len(calls) == 3


def test_another_run_labels_anew(source, tmp_path):
  calls = []
  _write(_predictor(calls), source, tmp_path / "out")
  _write(_predictor(calls), source, tmp_path / "out", fingerprint="b")
  assert len(calls) == 6
