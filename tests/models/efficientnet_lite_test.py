"""EfficientNet-Lite: sizes, strides, and what it sees in two photographs.

Values are compared in tests/golden.
"""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
import pytest

from semseg_jax.interop import pretrained
from semseg_jax.models import efficientnet_lite
from semseg_jax.ops import image_ops

_IMAGES = pathlib.Path(__file__).parent / "images"
# Of ImageNet's classes.
_CATS, _ESPRESSO = {281, 282, 285}, {967}


def _shapes(variant, size, **options):
  module = efficientnet_lite.Classifier(variant=variant, **options)
  image = jnp.zeros((1, *size, 3))
  return jax.eval_shape(module.init_with_output, jax.random.key(0), image)


@pytest.mark.parametrize(("variant", "millions"), [
    (0, 4.652008), (1, 5.416680), (2, 6.092072), (3, 8.197096),
    (4, 13.006568)])
def test_number_of_parameters(variant, millions):
  """Those of the official table: 4.7, 5.4, 6.1, 8.2 and 13.0 millions."""
  _, variables = _shapes(variant, (64, 64))
  count = sum(x.size for x in jax.tree.leaves(variables["params"]))
  assert count == round(millions * 1e6)


def test_levels_halve_and_round_up():
  (_, maps), _ = _shapes(0, (45, 64))
  assert [maps[f"level{i}"].shape for i in range(1, 6)] == [
      (1, 23, 32, 16), (1, 12, 16, 24), (1, 6, 8, 40), (1, 3, 4, 112),
      (1, 2, 2, 320)]


@pytest.fixture(scope="module")
def backbone():
  """A backbone's variables and an image."""
  module = efficientnet_lite.EfficientNetLite()
  image = jax.random.uniform(jax.random.key(0), (1, 64, 64, 1))
  return jax.jit(module.init)(jax.random.key(1), image), image


@pytest.mark.parametrize("stride", [8, 16])
def test_dilated_backbone_has_the_strided_ones_values_between_others(
    backbone, stride):
  """Dilation answers a left-out stride up to the last of each cell."""
  variables, image = backbone
  dilated = efficientnet_lite.EfficientNetLite(output_stride=stride)
  last, _ = jax.jit(dilated.apply)(variables, image)
  assert last.shape == (1, 64 // stride, 64 // stride, 320)
  strided, _ = jax.jit(efficientnet_lite.EfficientNetLite().apply)(
      variables, image)
  step = 32 // stride
  np.testing.assert_allclose(
      last[:, step - 1::step, step - 1::step], strided, rtol=1e-3, atol=1e-5)


def test_grey_images_are_repeated(backbone):
  variables, grey = backbone
  apply = jax.jit(efficientnet_lite.EfficientNetLite().apply)
  np.testing.assert_array_equal(
      apply(variables, grey)[0], apply(variables, jnp.repeat(grey, 3, -1))[0])


@pytest.mark.parametrize("options", [
    {"variant": 5}, {"output_stride": 4}])
def test_unknown_sizes_are_refused(options):
  module = efficientnet_lite.EfficientNetLite(**options)
  with pytest.raises(ValueError, match="choose one of"):
    jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 16, 16, 3)))


def test_classes_of_photographs():
  kind = "efficientnet_lite0"
  try:
    variables = pretrained.variables(kind, {})
  except FileNotFoundError as e:
    pytest.skip(str(e))
  batch = np.stack([
      np.asarray(Image.open(_IMAGES / name))
      for name in ("chelsea.jpg", "coffee.jpg")])
  logits, _ = jax.jit(pretrained.module(kind).apply)(
      variables, image_ops.from_uint8(batch))
  cat, coffee = np.argmax(np.asarray(logits), -1)
  assert cat in _CATS
  assert coffee in _ESPRESSO
