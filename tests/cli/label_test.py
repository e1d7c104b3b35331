"""Flags of `label` that cannot be used."""

from PIL import Image
import pytest

import semseg_jax
from semseg_jax.cli import label


@pytest.mark.parametrize(("flags", "message"), [
    ({"shard": "2/2"}, "--shard=2/2"), ({"shard": "1"}, "--shard=1"),
    ({"files": ["index", "mask"]}, "--files=index,mask: choose from index")])
def test_wrong_flags_are_named(flags, message):
  with pytest.raises(ValueError, match=message):
    label.label(None, images="x", out="y", **flags)


def test_nothing_is_written_where_the_method_or_the_folder_is_wrong(tmp_path):
  model = semseg_jax.load("toy_faces")
  images = tmp_path / "images"
  images.mkdir()
  Image.new("RGB", (8, 8)).save(images / "a.png")
  with pytest.raises(ValueError, match="'supervised'.* choose from encoder"):
    label.label(model, images=str(images), out=str(tmp_path / "out"),
                method="supervised")
  with pytest.raises(ValueError, match="labels would lie beside the images"):
    label.label(model, images=str(images), out=str(images / "."),
                method="distilled")
  assert [p.name for p in tmp_path.rglob("*")] == ["images", "a.png"]


def test_labels_of_nested_images_are_never_images(tmp_path, capsys):
  model = semseg_jax.load("toy_faces")
  for name in "ab":
    (tmp_path / name).mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / name / "0.png")
  asked = {"images": f"{tmp_path}/**/*.png", "method": "distilled"}
  with pytest.raises(ValueError, match="labels would lie beside the images"):
    label.label(model, out=str(tmp_path), **asked)
  for new in (2, 0):
    label.label(model, out=str(tmp_path / "labels"), **asked)
    assert f"2 images labeled by distilled in {tmp_path}/labels" in (
        line := capsys.readouterr().out)
    assert f"({new} of them now)" in line
  (tmp_path / "b/0.png").rename(tmp_path / "b/1.png")
  label.label(model, out=str(tmp_path / "labels"), **asked)
  assert "2 images labeled" in (line := capsys.readouterr().out)
  assert "labels of 1 that were not given stay" in line
