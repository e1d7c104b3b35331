"""Few-shot segmenters: sizes, receptive fields, layers, importers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax import interop
from semseg_jax.interop import repurpose_gan as importer
from semseg_jax.models import few_shot
from semseg_jax.models import stylegan2
from semseg_jax.models import unet


def count(variables):
  return sum(x.size for x in jax.tree.leaves(variables["params"]))


@pytest.mark.parametrize(("kind", "field"), [
    ("linear", 1), ("mlp", 1), ("cnn", 61), ("cnn_s", 15)])
def test_receptive_field(kind, field):
  side = 65
  module = few_shot.make(kind, 2, slope=0.5)
  x = jax.random.normal(jax.random.key(0), (1, side, side, 2))
  variables = jax.jit(module.init)(jax.random.key(1), (x,))
  middle = lambda x: module.apply(variables, (x,))[0, side // 2, side // 2, 0]
  used = np.abs(jax.jit(jax.grad(middle))(x)).sum((0, 3)) > 0
  rows = np.flatnonzero(used.any(1))
  assert rows[-1] - rows[0] + 1 == field


def test_size_is_that_of_the_largest_map_or_as_asked():
  maps = (jnp.zeros((2, 4, 4, 3)), jnp.zeros((2, 8, 8, 2)))
  for size, expected in ((None, 8), (16, 16)):
    module = few_shot.make("cnn", 5, size=size)
    logits, _ = jax.eval_shape(
        lambda m=module: m.init_with_output(jax.random.key(0), maps))
    assert logits.shape == (2, expected, expected, 5)
    assert logits.dtype == jnp.float32


def test_layers_of_a_generator():
  generator = stylegan2.Generator(size=16)
  assert few_shot.layer_names(generator) == (
      "conv8_up", "conv8", "conv16_up", "conv16")
  assert few_shot.layer_names(generator, first=4)[0] == "conv4"
  assert few_shot.layer_names(
      generator, names=("conv16", "conv4")) == ("conv4", "conv16")
  with pytest.raises(ValueError, match="no layer 'conv32'; it has conv4"):
    few_shot.layer_names(generator, names=("conv32",))
  with pytest.raises(ValueError, match="at least 32 px"):
    few_shot.layer_names(generator, first=32)
  with pytest.raises(ValueError, match="'big'; use one of"):
    few_shot.make("big", 3)


def test_published_stack_has_5056_channels():
  generator = stylegan2.Generator(size=1024)
  table = dict(stylegan2.channel_table(1024))
  names = few_shot.layer_names(generator)
  assert len(names) == 16
  assert sum(table[int(n.removeprefix("conv").removesuffix("_up"))]
             for n in names) == 5056


@pytest.mark.parametrize("kind", ["cnn", "cnn_s"])
def test_import_names_what_is_wrong(kind):
  module = few_shot.make(kind, 3)
  variables = jax.jit(module.init)(
      jax.random.key(0), (jnp.zeros((1, 8, 8, 4)),))
  entries = {
      importer.segmenter_name(kind, int(path[0].key[4:])) + {
          "kernel": ".weight", "bias": ".bias"}[path[1].key]:
      np.asarray(x).transpose(3, 2, 0, 1) if x.ndim == 4 else np.asarray(x)
      for path, x in jax.tree_util.tree_leaves_with_path(variables["params"])}
  imported, read = interop.from_torch(f"repurpose_gan/{kind}", entries)
  assert imported == module
  jax.tree.map(np.testing.assert_array_equal, read, variables)
  name = f"{importer.segmenter_name(kind, 2)}.weight"
  short = {n: x for n, x in entries.items() if n != name}
  with pytest.raises(ValueError, match=f"{name}' is missing"):
    interop.from_torch(f"repurpose_gan/{kind}", short)
  with pytest.raises(ValueError, match="unexpected entries.*'more'"):
    interop.from_torch(
        f"repurpose_gan/{kind}", entries | {"more": np.zeros(2)})


def test_auto_shot_network_at_odd_sizes():
  module = unet.AutoShotUNet(num_classes=10)
  shape = jax.eval_shape(lambda: module.init_with_output(
      jax.random.key(0), jnp.zeros((1, 37, 50, 3))))
  logits, variables = shape
  assert logits.shape == (1, 37, 50, 10)
  assert count(variables) == 17_267_978
