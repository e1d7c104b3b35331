"""Segmentation networks, backbones: state dicts of all published forms."""

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax import interop
from semseg_jax.interop import by_name
from semseg_jax.interop import initial
from semseg_jax.interop import segmentation
from semseg_jax.models import deeplab
from semseg_jax.models import resnet
from semseg_jax.models import segmentation_discriminators as discriminators
from semseg_jax.models import wide_resnet

_OFFICIAL = dict(
    used_branches=2, stride_first=True, ceil_pool=True, frozen_affine=True)
# Kind -> module that the importer must find, its layers' names, channels in.
_NETWORKS = {
    "s4gan/deeplabv2": (
        deeplab.DeepLabV2(5, width=2, **_OFFICIAL),
        segmentation.deeplabv2_name, 3),
    "s4gan/deeplabv2 of other blocks": (
        deeplab.DeepLabV2(5, 18, width=2, blocks=(1, 2, 1, 1),
                          branches=(6, 12, 18), **_OFFICIAL),
        segmentation.deeplabv2_name, 1),
    "s4gan/deeplabv3plus": (
        deeplab.DeepLabV3Plus(4, 38, width=1, features=3, fine_features=2),
        segmentation.deeplabv3plus_name, 3),
    "s4gan/discriminator": (
        discriminators.ImageDiscriminator(width=2), ".".join, 7),
    "resnet18": (resnet.Classifier(6, 18, 2), segmentation.classifier_name, 3),
    "resnet34": (resnet.Classifier(6, 34, 2), segmentation.classifier_name, 3),
    "resnet50": (resnet.Classifier(1, 50, 2), segmentation.classifier_name, 1),
    "resnet101": (
        resnet.Classifier(6, 101, 2), segmentation.classifier_name, 3),
    "wide_resnet38": (
        wide_resnet.WideResNet38(width=1), segmentation.wide_resnet38_name, 3),
}


def _variables(module, channels=3):
  """Random values in the shapes of the module's variables."""
  shapes = jax.eval_shape(
      module.init, jax.random.key(0), jnp.zeros((1, 33, 33, channels)))
  rng = np.random.default_rng(0)
  return jax.tree.map(
      lambda s: np.array(7, np.int32) if s.dtype == np.int32
      else rng.normal(size=s.shape).astype(np.float32), shapes)


def _entries(name):
  """The original's state dict, our module and variables."""
  module, name_of, channels = _NETWORKS[name]
  variables = _variables(module, channels)
  entries = {}
  for path, value in flax.traverse_util.flatten_dict(variables).items():
    order = {4: (3, 2, 0, 1), 2: (1, 0)}.get(value.ndim)
    value = value.astype(np.int64) if value.dtype == np.int32 else value
    entries[by_name.entry_name(path[1:], name_of)] = np.transpose(value, order)
  return entries, module, variables


def _kind(name):
  return name.split(" ")[0]


def _assert_same(got, want):
  assert jax.tree.structure(got) == jax.tree.structure(want)
  jax.tree.map(np.testing.assert_array_equal, got, want)


@pytest.mark.parametrize("name", _NETWORKS)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_everything_is_read_off_the_entries(name, prefix):
  entries, module, variables = _entries(name)
  entries = {prefix + n: v for n, v in entries.items()}
  got_module, got = interop.from_torch(_kind(name), entries)
  assert got_module == module
  _assert_same(got, variables)


def test_names_of_torchvision():
  entries, _, _ = _entries("resnet34")
  assert {"conv1.weight", "bn1.running_var", "layer1.2.conv2.weight",
          "layer2.0.downsample.0.weight", "layer2.0.downsample.1.bias",
          "layer4.2.bn2.num_batches_tracked", "fc.bias"} <= set(entries)
  assert "layer1.0.downsample.0.weight" not in entries
  # torchvision 0.x: resnet34().state_dict() has so many entries.
  assert len(entries) == 218


@pytest.mark.parametrize("name", ["s4gan/deeplabv2", "wide_resnet38"])
def test_old_files_have_no_counters(name):
  entries, _, _ = _entries(name)
  entries = {n: v for n, v in entries.items()
             if not n.endswith("num_batches_tracked")}
  _, variables = interop.from_torch(_kind(name), entries)
  flat = flax.traverse_util.flatten_dict(variables["batch_stats"])
  assert {int(v) for p, v in flat.items() if p[-1] == "count"} == {0}


def test_the_classifier_of_a_wide_resnet_is_left_out():
  entries, _, variables = _entries("wide_resnet38")
  entries |= {"bn_out.0.weight": np.ones(64, np.float32),
              "classifier.fc.weight": np.ones((9, 64), np.float32)}
  entries = {f"module.{n}": v for n, v in entries.items()}
  _assert_same(interop.from_torch("wide_resnet38", entries)[1], variables)


@pytest.mark.parametrize("name", _NETWORKS)
def test_bad_entries_are_named(name):
  entries, _, _ = _entries(name)
  kind = _kind(name)
  last = list(entries)[-1]
  lacking = {n: v for n, v in entries.items() if n != last}
  with pytest.raises(ValueError, match=f"'{last}' is missing"):
    interop.from_torch(kind, lacking)
  with pytest.raises(ValueError, match="unexpected entries.*'extra.weight'"):
    interop.from_torch(kind, entries | {"extra.weight": np.ones(3)})
  wrong = np.ones((*entries[last].shape, 2), np.float32)
  with pytest.raises(ValueError, match=f"'{last}' has shape"):
    interop.from_torch(kind, entries | {last: wrong})
  wrapped = {f"module.{n}": v for n, v in lacking.items()}
  with pytest.raises(ValueError, match=f"prefix 'module.'.*'{last}'"):
    interop.from_torch(kind, wrapped)
  with pytest.raises(ValueError, match="is missing"):
    interop.from_torch(kind, {})


def test_depths_are_not_confused():
  entries, _, _ = _entries("resnet50")
  with pytest.raises(ValueError, match=r"layer3\.\d+\..* is missing"):
    interop.from_torch("resnet101", entries)
  entries, _, _ = _entries("resnet101")
  with pytest.raises(ValueError, match=r"unexpected entries.*layer3\."):
    interop.from_torch("resnet50", entries)


def test_all_branches_on_request():
  entries, module, _ = _entries("s4gan/deeplabv2")
  imported, _ = interop.from_torch(
      "s4gan/deeplabv2", entries, used_branches=None)
  assert imported == module.clone(used_branches=None)


@pytest.mark.parametrize(("name", "module", "keeps"), [
    ("resnet50", deeplab.DeepLabV2(5, 50, width=2), "branch0"),
    ("resnet50", resnet.Classifier(5, 50, 2), "fc"),
    ("resnet50", deeplab.DeepLabV3Plus(5, 50, width=2, features=3), "aspp"),
    ("wide_resnet38", deeplab.DeepLabV3Plus(5, 38, width=1, features=3),
     "aspp")])
def test_start_from_a_classifier(name, module, keeps):
  _, _, source = _entries(name)
  channels = _NETWORKS[name][2]
  variables = _variables(module, channels)
  variables = jax.tree.map(lambda x: x + 1, variables)
  got = initial.copy_agreeing(variables, source)
  for collection in ("params", "batch_stats"):
    backbone = source[collection].get("backbone", source[collection])
    _assert_same(got[collection]["backbone"], backbone)
  _assert_same(got["params"][keeps], variables["params"][keeps])
  _assert_same(jax.tree.map(np.shape, got), jax.tree.map(np.shape, variables))


def test_start_from_a_segmentation_network():
  _, module, source = _entries("s4gan/deeplabv2")
  variables = jax.tree.map(lambda x: x + 1, source)
  _assert_same(
      initial.copy_agreeing(variables, source), source)
  other = jax.tree.map(lambda x: x + 1, _variables(module.clone(num_classes=3)))
  got = initial.copy_agreeing(other, source)
  _assert_same(got["params"]["branch0"], other["params"]["branch0"])
  _assert_same(got["params"]["backbone"], source["params"]["backbone"])


@pytest.mark.parametrize("options", [
    dict(depth=101, width=2), dict(depth=50, width=3), dict(depth=18, width=2)])
def test_another_backbone_is_an_error(options):
  _, _, source = _entries("resnet50")
  variables = _variables(deeplab.DeepLabV2(5, **options), 1)
  with pytest.raises(ValueError, match="its backbone .* has "
                     "shape .*same depth"):
    initial.copy_agreeing(variables, source)
