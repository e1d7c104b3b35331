"""Fields without effect: each rule names fields that there are."""

import pytest

from configs.fewshot_smis import toy_faces as smis
from configs.repurpose_gan import toy_faces as repurpose
from configs.semantic_gan import chest_xray
from configs.semantic_gan import toy_faces
from configs.semisup import camvid
from configs.semisup import pascal_voc
from semseg_jax.methods.common import checks
from semseg_jax.methods.common import idle


def _configs():
  return [module.get_config(text) for module, text in (
      (chest_xray, "cpu"), (toy_faces, ""), (repurpose, ""), (smis, ""),
      (camvid, "cpu,backbone=efficientnet_lite0"))]


def test_rules_are_of_fields_that_there_are():
  configs = _configs()
  for rule in idle.RULES:
    for field in rule.fields:
      assert any(f"{rule.block}.{field}" in dict(_flat(c)) for c in configs), (
          rule.block, field)
  for config in configs:  # and judge every config that has them
    for name, _ in _flat(config):
      idle.notes(config, [name])


def test_published_networks_without_weights_are_told():
  config = pascal_voc.get_config("method=s4gan_mlmt")
  line, = checks.warnings(config)
  assert line.startswith("config.segmenter.weights and config.mlmt.weights")
  config.segmenter.weights = config.mlmt.weights = "resnet101.safetensors"
  assert not checks.warnings(config)
  for config in _configs():
    assert not checks.warnings(config)


def _flat(block, prefix=""):
  for key, value in block.items():
    yield f"{prefix}{key}", value
    if hasattr(value, "items"):
      yield from _flat(value, f"{prefix}{key}.")


@pytest.mark.parametrize(("field", "changes", "says"), [
    ("segmenter.width", {}, "supervised.width"),
    ("supervised.width", {}, None),
    ("supervised.width", {"segmenter.network": "deeplabv2"}, "segmenter.width"),
    ("supervised.momentum", {}, "supervised.optimizer='sgd'"),
    ("supervised.momentum", {"supervised.optimizer": "sgd"}, None),
    ("gan.r1_gamma", {}, "projected"),
    ("gan.r1_gamma", {"image_discriminator.kind": "stylegan2"}, None),
    ("labels.heads", {}, None),
    ("labels.heads", {"labels.head": "branch"}, "labels.head='fitted'"),
    ("inversion.mean_distance_weight", {}, "start='mean'"),
    ("supervised.head_factor", {"supervised.optimizer": "sgd"}, "backbone"),
    ("segmenter.backbone_factor", {}, None),
    ("segmenter.backbone_factor", {"supervised.optimizer": "sgd"}, "adamw"),
    ("supervised.synthetic", {"stages": ("supervised",)}, None),
    ("supervised.synthetic", {"stages": ("gan",)}, "here"),
    ("supervised.synthetic", {"stages": ("supervised", "distilled")},
     "on 'distilled'"),
    ("seed", {}, None)])
def test_a_changed_field_without_effect_is_said(field, changes, says):
  config = chest_xray.get_config("cpu")
  config.update_from_flattened_dict(changes)
  lines = idle.notes(config, [field])
  assert len(lines) == (says is not None)
  assert not lines or (f"config.{field} has no effect" in lines[0]
                       and says in lines[0])


def test_a_size_beside_a_shape_is_said():
  config = camvid.get_config("cpu")
  assert "data.geometry.shape" in idle.notes(config, ["data.size"])[0]
  config.data.geometry.shape = ()
  assert not idle.notes(config, ["data.size"])


@pytest.mark.parametrize("field", ["flip_labeled", "flip_unlabeled", "affine"])
def test_motions_that_mlmt_does_not_make_are_said(field):
  config = camvid.get_config("cpu,method=s4gan_mlmt")
  line, = idle.notes(config, [f"data.augment.{field}"])
  assert "no effect on 'mlmt'" in line
  config.stages = ("s4gan",)
  assert not idle.notes(config, [f"data.augment.{field}"])


@pytest.mark.parametrize("field", [
    "scales", "short_side", "blur", "fill_label", "fill"])
def test_options_of_crops_without_crops_are_said(field):
  config = camvid.get_config("cpu")
  config.data.geometry.crop = False
  line, = idle.notes(config, [f"data.geometry.{field}"])
  assert "data.geometry.crop=True" in line
  config.data.geometry.crop = True
  assert not idle.notes(config, [f"data.geometry.{field}"])


def test_two_sizes_of_a_crops_image_are_refused():
  config = camvid.get_config("cpu")
  config.data.geometry.update(crop=True, scales=(0.5,), short_side=())
  checks.values(config)
  config.data.geometry.short_side = (24, 48)
  with pytest.raises(ValueError, match="geometry.scales and .short_side"):
    checks.values(config)


def test_blocks_of_other_methods_are_said():
  config = smis.get_config("")
  assert "block shots" in idle.notes(config, ["inversion.steps"])[0]
  assert not idle.notes(config, ["inversion.batch_size", "shots.steps"])
  assert idle.notes(repurpose.get_config(""), ["distilled.keep"])
