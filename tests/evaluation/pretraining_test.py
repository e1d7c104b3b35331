"""What tables say about networks that were trained before."""

import pytest

from semseg_jax.evaluation import pretraining
from semseg_jax.evaluation import tables

_CONFIG = {
    "segmenter": {"backbone": "efficientnet_lite0", "weights": ""},
    "mlmt": {"backbone": "", "weights": "files/resnet101.safetensors"},
    "image_discriminator": {"kind": "projected", "backbone": "lite"},
    "perceptual": {"kind": "", "weights": "a/lpips.safetensors"},
    "autoshot": {"backbone": "lite1"}}


@pytest.mark.parametrize(("method", "words"), [
    ("s4gan", "ImageNet efficientnet_lite0"),
    ("s4gan+mlmt",
     "ImageNet efficientnet_lite0; classifier: resnet101.safetensors"),
    ("encoder", "discriminator: ImageNet lite; distance: lpips.safetensors"),
    ("auto_shot", "ImageNet lite1; discriminator: ImageNet lite; distance: "
     "lpips.safetensors"),
    ("auto-shot", "ImageNet lite1; discriminator: ImageNet lite; distance: "
     "lpips.safetensors"),
    ("distilled", "ImageNet efficientnet_lite0; discriminator: ImageNet lite; "
     "distance: lpips.safetensors"),
    ("inversion+distilled", "ImageNet efficientnet_lite0; discriminator: "
     "ImageNet lite; distance: lpips.safetensors"),
    ("auto-shot in other styles", "ImageNet lite1; discriminator: ImageNet "
     "lite; distance: lpips.safetensors"),
])
def test_words_of_methods(method, words):
  assert pretraining.words(_CONFIG, method) == words


def test_a_file_comes_before_the_backbone():
  config = {"segmenter": {"backbone": "lite", "weights": "x/w.safetensors"}}
  assert pretraining.words(config, "supervised") == "w.safetensors"


def test_random_weights_are_no_words():
  assert pretraining.words({}, "supervised") == ""


def test_rows_say_no_beside_pretrained_ones():
  methods = {name: {"images": 1, "miou": 0.5}
             for name in ("supervised", "encoder")}
  rows = tables.score_rows(
      methods, {"segmenter": {"backbone": "lite", "weights": ""}})
  assert [row["Pretrained"] for row in rows] == ["ImageNet lite", "no"]
  assert "Pretrained" not in tables.score_rows(methods, {})[0]
