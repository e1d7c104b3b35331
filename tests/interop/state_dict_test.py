"""The checked reader and the importer's dispatch."""

import ml_dtypes
import numpy as np
import pytest

from semseg_jax import interop
from semseg_jax.interop import state_dict


def _reader(**entries):
  return state_dict.Reader(entries, "some/kind")


def test_types():
  reader = _reader(a=np.ones(2, ml_dtypes.bfloat16), n=np.array(3, np.int32),
                   f=np.ones((2, 1)), b=np.array([True]))
  assert reader.take("a").dtype == np.float32
  assert reader.take("n", ()).dtype == np.int64
  assert reader.take("f", (None, 1)).dtype == np.float32
  assert reader.take("b").dtype == np.bool_
  reader.finish()


def test_names_and_counts():
  reader = _reader(**{"c.0.w": np.ones(1), "c.10.w": np.ones(1),
                      "c.x": np.ones(1), "d": np.ones(1)})
  assert reader.names("c.") == ["c.0.w", "c.10.w", "c.x"]
  assert reader.count("c.") == 11
  assert reader.count("e.") == 0
  assert "d" in reader
  assert reader.shape("d", 1) == (1,)


def test_layouts():
  reader = _reader(conv=np.zeros((2, 3, 4, 5)), dense=np.zeros((6, 7)))
  assert reader.conv("conv", (2, 3, 4, 5)).shape == (4, 5, 3, 2)
  assert reader.dense("dense").shape == (7, 6)


@pytest.mark.parametrize(("action", "message"), [
    (lambda r: r.take("v", (1, 2)), r"some/kind: entry 'v' is missing.*\[1, 2"),
    (lambda r: r.shape("v"), r"entry 'v' is missing"),
    (lambda r: r.shape("w", 4), r"'w' has shape \[2, 3\], expected 4 axes"),
    (lambda r: r.take("w", (2,)), r"'w' has shape \[2, 3\], expected \[2\]"),
    (lambda r: r.take("w", (None, 4)), r"\[2, 3\], expected \[any, 4\]"),
    (lambda r: r.finish(), r"unexpected entries.*'w' \[2, 3\]"),
])
def test_errors_name_the_entry(action, message):
  with pytest.raises(ValueError, match=message):
    action(_reader(w=np.zeros((2, 3))))


@pytest.mark.parametrize("entries", [
    {"g": {"w": np.zeros(1)}}, [1, 2]])
def test_whole_checkpoints_are_told_apart(entries):
  with pytest.raises(ValueError, match="expected a mapping|whole checkpoint"):
    state_dict.Reader(entries, "some/kind")


@pytest.mark.parametrize(
    "kind", ["psp/encoder", "stylegan2/generator", "resnet18"])
def test_names_that_are_no_text(kind):
  with pytest.raises(ValueError, match=f"{kind}: entry 0 has a name"):
    interop.from_torch(kind, {0: np.zeros(3), 1: np.zeros(3)})


def test_unknown_kind_lists_the_kinds():
  with pytest.raises(ValueError, match=r"'nope'.*lpips/vgg.*stylegan2"):
    interop.from_torch("nope", {})


@pytest.mark.parametrize("kind", interop.kinds())
def test_every_kind_names_what_an_empty_state_dict_lacks(kind):
  with pytest.raises(ValueError, match=kind):
    interop.from_torch(kind, {})
