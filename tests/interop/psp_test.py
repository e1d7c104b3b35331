"""The pSp importer on the original's names at narrow widths."""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax import interop
from semseg_jax.cli import convert

_MANIFEST = (pathlib.Path(__file__).resolve().parents[1] /
             "golden/data/others/psp_encoder_nc9_s14/manifest.json")
# Published width -> width here; squeezed widths -> 1; kernels and classes stay.
_NARROW = {64: 2, 128: 3, 256: 4, 512: 5, 4: 1, 8: 1, 16: 1, 32: 1}
MEAN = np.arange(5, dtype=np.float32)


def entries():
  rng = np.random.default_rng(0)
  names = json.loads(_MANIFEST.read_text())["entries"]
  return {
      name: np.asarray(rng.random([_NARROW.get(d, d) for d in spec["shape"]]),
                       spec["dtype"]) for name, spec in names.items()}


def test_reads_sizes_off_the_entries():
  module, variables = interop.from_torch("psp/encoder", entries())
  assert module.num_ws == 14
  assert module.style_dim == 5
  assert module.widths == (2, 3, 4, 5)
  assert module.units == (3, 4, 14, 3)
  assert module.head_convs == (4, 5, 6)
  assert module.latent_split == (3, 4)
  expected = jax.eval_shape(
      module.init, jax.random.key(0), jnp.zeros((1, 256, 256, 9)))
  jax.tree.map(lambda a, b: np.testing.assert_array_equal(a.shape, b.shape),
               variables, dict(expected))


@pytest.mark.parametrize(("change", "said"), [
    (lambda e: e.pop("body.5.res_layer.2.weight"), "body.5.res_layer.2.weight"),
    (lambda e: e.update(extra=np.zeros(3)), "'extra'"),
    (lambda e: e.update(latent_avg=np.zeros(4)), r"'latent_avg'.*\[5\]"),
    (lambda e: e.update({"styles.3.convs.0.bias": np.zeros(4)}),
     "styles.3.convs.0.bias"),
    (lambda e: e.update({"latlayer1.weight": np.zeros((5, 3, 1, 1))}),
     "latlayer1.weight"),
])
def test_spoiled_entries_are_named(change, said):
  spoiled = entries()
  change(spoiled)
  with pytest.raises(ValueError, match=said):
    interop.from_torch("psp/encoder", spoiled)


def test_encoder_beside_a_decoder():
  whole = {f"encoder.{k}": v for k, v in entries().items()}
  whole |= {"decoder.style.1.weight": np.zeros((5, 5), np.float32),
            "latent_avg": MEAN}
  _, alone = interop.from_torch("psp/encoder", entries())
  module, variables = interop.from_torch("psp/encoder", whole)
  assert module.num_ws == 14
  np.testing.assert_array_equal(variables.pop("mean")["latents"], MEAN)
  jax.tree.map(np.testing.assert_array_equal, alone, variables)
  with pytest.raises(ValueError, match="'critic.weight'"):
    interop.from_torch(
        "psp/encoder", whole | {"critic.weight": np.zeros(2, np.float32)})


def test_conversion_takes_the_encoder_of_a_whole_checkpoint(
    tmp_path, monkeypatch):
  whole = {f"encoder.{k}": v for k, v in entries().items()}
  whole["decoder.input.input"] = np.zeros((1, 5, 4, 4), np.float32)
  monkeypatch.setattr(convert.torch_files, "load", lambda path, **_: {
      "state_dict": whole, "opts": {"label_nc": 9, "start": True},
      "latent_avg": np.broadcast_to(MEAN, (14, 5)).copy()})
  out = tmp_path / "encoder.safetensors"
  notes = convert.convert("psp/encoder", ["it.pt:state_dict"], str(out))
  assert any("left out 1 entries of another" in n for n in notes), notes
  module, variables = interop.load(out)
  np.testing.assert_array_equal(
      variables["mean"]["latents"], np.broadcast_to(MEAN, (14, 5)))
  assert module.num_ws == 14
