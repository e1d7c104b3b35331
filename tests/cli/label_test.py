"""Flags of `label` that cannot be used."""

import pytest

from semseg_jax.cli import label


@pytest.mark.parametrize(("flags", "message"), [
    ({"shard": "2/2"}, "--shard=2/2"), ({"shard": "1"}, "--shard=1"),
    ({"files": ["index", "mask"]}, "--files=index,mask: choose from index")])
def test_wrong_flags_are_named(flags, message):
  with pytest.raises(ValueError, match=message):
    label.label(None, images="x", out="y", **flags)
