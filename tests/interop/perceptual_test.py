"""LPIPS from every naming of its entries."""

import jax
import numpy as np
import pytest

from semseg_jax import interop

_CONVS = {
    "vgg": ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28)),
    "alex": ((0,), (3,), (6,), (8,), (10,))}


def _entries(net, conv="features.{n}", lin="lin{stage}.model.1"):
  rng = np.random.default_rng(0)
  entries, inputs = {}, 3
  for stage, numbers in enumerate(_CONVS[net]):
    for n in numbers:
      kernel = {("alex", 0): 11, ("alex", 3): 5}.get((net, n), 3)
      name = conv.format(n=n, stage=stage + 1)
      entries[f"{name}.weight"] = rng.standard_normal(
          (4, inputs, kernel, kernel)) / kernel
      entries[f"{name}.bias"] = rng.standard_normal(4)
      inputs = 4
    entries[lin.format(stage=stage) + ".weight"] = abs(
        rng.standard_normal((1, 4, 1, 1)))
  return entries


@pytest.mark.parametrize("net", list(_CONVS))
def test_every_naming_gives_the_same(net):
  _, expected = interop.from_torch(f"lpips/{net}", _entries(net))
  package = _entries(net, "net.slice{stage}.{n}")
  package |= {k.replace("lin", "lins."): v for k, v in package.items()
              if k.startswith("lin")}
  for name, values in (("shift", [-.03, -.088, -.188]),
                       ("scale", [.458, .448, .45])):
    package[f"scaling_layer.{name}"] = np.reshape(values, (1, 3, 1, 1))
  for entries in (package, _entries(net, "net.layers.{n}", "lin.{stage}.1")):
    module, imported = interop.from_torch(f"lpips/{net}", entries)
    jax.tree.map(np.testing.assert_array_equal, imported, expected)
  assert len(module.widths) == len(expected["params"]) - 5


@pytest.mark.parametrize(("change", "message"), [
    (lambda e: e.pop("features.12.bias"), r"'features\.12\.bias' is missing"),
    (lambda e: e.pop("lin3.model.1.weight"), r"lin3\.model\.1\.weight"),
    (lambda e: e.update({"classifier.0.weight": np.ones(1)}), "classifier"),
    (lambda e: e.update({"net.mean": np.ones((1, 3, 1, 1))}), r"net\.mean"),
    (lambda e: e.update({"lins.0.model.1.weight": np.ones((1, 4, 1, 1))}),
     "differ"),
])
def test_wrong_entries_are_named(change, message):
  entries = _entries("vgg")
  change(entries)
  with pytest.raises(ValueError, match=message):
    interop.from_torch("lpips/vgg", entries)
