"""Pretrained backbones in the stages that train a segmenter or a classifier."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs.repurpose_gan import toy_faces as repurpose
from configs.semisup import scenes
from semseg_jax import stages
from semseg_jax.interop import pretrained
from semseg_jax.methods.common import segmenter
from semseg_jax.methods.repurpose_gan import autoshot
from semseg_jax.methods.semisup import classifiers
from semseg_jax.models import backbone_unet

_KIND = "efficientnet_lite0"


def _config(**changes):
  c = scenes.get_config("labels=8,smoke")
  c.segmenter.update(network="deeplabv3plus", backbone=_KIND, features=4,
                     fine_features=4)
  c.update_from_flattened_dict(changes)
  return c


@pytest.fixture(scope="module")
def weights():
  try:
    return pretrained.variables(_KIND, {})
  except FileNotFoundError as e:
    pytest.skip(str(e))


def _backbones(variables):
  return {kind: tree["backbone"] for kind, tree in variables.items()}


@pytest.mark.parametrize("network", ["unet", "deeplabv3plus", "semantic_fpn"])
def test_segmenter_starts_from_imagenet(weights, network):
  config = _config(**{"segmenter.network": network})
  variables = segmenter.init(
      segmenter.build(config), jax.random.key(0), (32, 32), 3,
      segmenter.initial(config))
  jax.tree.map(np.testing.assert_array_equal, _backbones(variables),
               _backbones(weights))


def test_classifier_starts_from_imagenet_but_for_its_classes(weights):
  config = _config(**{"mlmt.backbone": _KIND, "mlmt.pooling": "max"})
  module = classifiers.build(config)
  variables = segmenter.init(
      module, jax.random.key(0), (32, 32), 3, classifiers.initial(config, None))
  jax.tree.map(np.testing.assert_array_equal, variables["params"]["head"],
               weights["params"]["head"])
  assert variables["params"]["fc"]["bias"].shape == (config.data.num_classes,)


def test_autoshot_network():
  config = repurpose.get_config("smoke")
  config.autoshot.backbone = _KIND
  assert isinstance(autoshot.network(config), backbone_unet.BackboneUNet)
  config.autoshot.backbone = "vgg"
  with pytest.raises(ValueError, match="config.autoshot.backbone"):
    autoshot.network(config)


@pytest.mark.parametrize("changes", [
    {"segmenter.backbone": "vgg16"},
    {"segmenter.network": "deeplabv2"},
    {"segmenter.normalize": "imagenet"},
    {"segmenter.network": "semantic_fpn", "segmenter.backbone": ""},
])
def test_backbone_that_does_not_fit_is_refused(changes):
  with pytest.raises(ValueError, match="config.segmenter.backbone"):
    segmenter.build(_config(**changes))


def test_classifier_refuses_other_normalisation():
  with pytest.raises(ValueError, match="config.mlmt.backbone"):
    classifiers.build(
        _config(**{"mlmt.backbone": _KIND, "mlmt.normalize": "imagenet"}))


@pytest.mark.parametrize(
    "stage", ["supervised", "mean_teacher", "s4gan", "adv_ssl"])
def test_a_backbones_rate_is_refused_without_a_backbone(tmp_path, stage):
  plain = {"segmenter.network": "unet", "segmenter.backbone": "",
           "segmenter.backbone_factor": 0.3, f"{stage}.optimizer": "adamw"}
  segmenter.build(_config(**plain))  # a former run's can still be read
  with pytest.raises(ValueError, match=(
      rf"backbone_factor is 0.3.*config.{stage}.learning_rate")):
    stages.make(_config(**plain), tmp_path, stage)
  for other in ({"segmenter.backbone": _KIND}, {f"{stage}.optimizer": "sgd"},
                {"segmenter.network": "deeplabv3plus"}):
    stages.make(_config(**plain | other), tmp_path, stage)


def test_backbone_has_its_own_rate():
  config = _config(**{"segmenter.backbone_factor": 0.1})
  config.supervised.update(
      optimizer="adamw", learning_rate=1e-2, weight_decay=0.0)
  params = {"backbone": jnp.ones(3), "head": jnp.ones(3)}
  tx = segmenter.optimizer(
      config, "supervised", lambda p: {name: name for name in p})
  deltas, _ = tx.update(
      jax.tree.map(jnp.ones_like, params), tx.init(params), params)
  np.testing.assert_allclose(
      deltas["backbone"], 0.1 * deltas["head"], rtol=1e-5)
