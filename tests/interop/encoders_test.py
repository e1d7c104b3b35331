"""Encoders from state dicts that are not among the golden cases."""

import jax
import numpy as np
import pytest

from semseg_jax import interop
from semseg_jax.interop import encoders
from semseg_jax.interop import stylegan2
from semseg_jax.models import residual_encoder


def _array(*shape):
  rng = np.random.default_rng(int(np.prod(shape)))
  return (rng.standard_normal(shape) * 0.1).astype(np.float32)


def _bn(prefix, width):
  return {
      f"{prefix}.weight": _array(width), f"{prefix}.bias": _array(width),
      f"{prefix}.running_mean": _array(width),
      f"{prefix}.running_var": 1 + np.abs(_array(width)),
      f"{prefix}.num_batches_tracked": np.array(7)}


def _conv(prefix, *shape):
  return {f"{prefix}.weight": _array(*shape),
          f"{prefix}.bias": _array(shape[0])}


def _fpn(style_heads, stem=4, channels=6, counts=(2, 1, 2)):
  root = "FPN_module."
  entries = {f"{root}conv1.weight": _array(stem, 1, 7, 7)}
  entries |= _bn(f"{root}bn1", stem)
  before = stem
  for s in range(4):
    name, width = f"{root}layer{s + 1}.0", stem * 2 ** s
    for i, shape in enumerate(
        [(width, before, 1, 1), (width, width, 3, 3), (4 * width, width, 1, 1)],
        start=1):
      entries[f"{name}.conv{i}.weight"] = _array(*shape)
      entries |= _bn(f"{name}.bn{i}", shape[0])
    entries[f"{name}.shortcut.0.weight"] = _array(4 * width, before, 1, 1)
    entries |= _bn(f"{name}.shortcut.1", 4 * width)
    before = 4 * width
  entries |= _conv(f"{root}toplayer", channels, 32 * stem, 1, 1)
  for i, width in enumerate((16, 8, 4), start=1):
    entries |= _conv(f"{root}latlayer{i}", channels, width * stem, 1, 1)
    entries |= _conv(f"{root}smooth{i}", channels, channels, 3, 3)
  names = ("course_styles", "medium_styles", "fine_styles")
  for level, (name, count) in enumerate(zip(names, counts, strict=True)):
    for i in range(count):
      head = f"{name}.{i}"
      if style_heads:
        entries[f"{head}.layers.0.weight"] = _array(5, channels, 3, 3)
        entries |= _bn(f"{head}.layers.1", 5)
        entries |= _conv(f"{head}.layers.4", 3, 5, 1, 1)
        continue
      inputs = channels
      for j in range(level + 1):
        entries |= _conv(f"{head}.convs.{2 * j}", 5, inputs, 3, 3)
        inputs = 5
      entries[f"{head}.linear.weight"] = _array(3, 5)
      entries[f"{head}.linear.bias"] = _array(3)
  return entries


@pytest.mark.parametrize("style_heads", [False, True])
def test_everything_is_read_off_the_entries(style_heads):
  entries = _fpn(style_heads)
  module, variables = interop.from_torch("semantic_gan/fpn_encoder", entries)
  assert module.style_head == style_heads
  assert module.head_convs == (None if style_heads else (1, 2, 3))
  assert module.num_ws == 5
  assert module.latent_split == (2, 1)
  assert module.blocks == (1, 1, 1, 1)
  image = np.zeros((2, 32, 32, 1), np.float32)
  expected = jax.eval_shape(module.init, jax.random.key(0), image)
  assert jax.tree.map(np.shape, variables) == jax.tree.map(np.shape, expected)
  assert variables["batch_stats"]["fpn"]["stem_bn"]["count"] == 7


def test_style_head_by_hand():
  module, variables = interop.from_torch(
      "semantic_gan/fpn_encoder", _fpn(True))
  maps = [np.ones((1, n, n, 6), np.float32) for n in (2, 4, 8)]
  latents = module.apply(variables, maps, method="latents")
  head = {k.removeprefix("fine_styles.1.layers."): v
          for k, v in _fpn(True).items() if k.startswith("fine_styles.1.")}
  padded = np.pad(maps[2][0], ((1, 1), (1, 1), (0, 0)))
  window = np.stack([padded[i:i + 8, j:j + 8]
                     for i in range(3) for j in range(3)])
  x = np.einsum("khwc,ock->hwo", window,
                head["0.weight"].reshape(5, 6, 9))
  x = (x - head["1.running_mean"]) / np.sqrt(head["1.running_var"] + 1e-5)
  x = np.maximum(x * head["1.weight"] + head["1.bias"], 0).mean((0, 1))
  expected = head["4.weight"][:, :, 0, 0] @ x + head["4.bias"]
  np.testing.assert_allclose(latents[0, 4], expected, atol=1e-5)


@pytest.mark.parametrize(("change", "message"), [
    (lambda e: e.pop("fine_styles.1.linear.bias"), r"fine_styles\.1\.linear"),
    (lambda e: e.update(extra=_array(3)), "extra"),
    (lambda e: e.update({"FPN_module.latlayer2.weight": _array(6, 31, 1, 1)}),
     r"latlayer2\.weight.*\[6, 31, 1, 1\], expected \[6, 32, 1, 1\]"),
    (lambda e: e.update({"medium_styles.0.convs.0.weight": _array(4, 6, 3, 3)}),
     r"medium_styles\.0\.convs\.0\.weight.*expected \[5, 6, 3, 3\]"),
])
def test_wrong_entries_are_named(change, message):
  entries = _fpn(False)
  change(entries)
  with pytest.raises(ValueError, match=message):
    interop.from_torch("semantic_gan/fpn_encoder", entries)


def test_residual_encoder_there_and_back():
  module = residual_encoder.ResidualEncoder(
      size=16, num_ws=3, style_dim=2, image_channels=1, max_channels=4)
  image = np.zeros((1, 16, 16, 1), np.float32)
  variables = jax.tree.map(
      lambda x: _array(*x.shape),
      jax.eval_shape(module.init, jax.random.key(0), image))
  entries = stylegan2.to_torch(
      encoders.residual_encoder_entries(module), variables)
  fir = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64
  for i in (1, 2):
    entries[f"convs.{i}.conv2.0.kernel"] = fir
    entries[f"convs.{i}.skip.0.kernel"] = fir
  imported, again = interop.from_torch(
      "semantic_gan/residual_encoder", entries, style_dim=2)
  assert (imported.size, imported.num_ws, imported.image_channels) == (16, 3, 1)
  jax.tree.map(np.testing.assert_array_equal, again, variables)
  with pytest.raises(ValueError, match="multiple of style_dim"):
    interop.from_torch("semantic_gan/residual_encoder", entries, style_dim=4)
