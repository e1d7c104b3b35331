"""Trained generators from a converted file and from a run's stage."""

import jax
import numpy as np
import pytest

from semseg_jax import interop
from semseg_jax.cli import convert
from semseg_jax.interop import stylegan2 as importer
from semseg_jax.methods import gan
from semseg_jax.methods.common import generators
from semseg_jax.methods.common import networks
from semseg_jax.training import checkpoint


def unlabeled(toy_config, **changes):
  config = toy_config(**{"data.num_labeled": 0, **changes}).unlock()
  config.generator.update(weights="", allow_label_branch=False)
  return config


def entries(module, variables):
  """A state dict as other projects save it."""
  fir = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 16
  exported = importer.to_torch(importer.generator_entries(module), variables)
  for j in range(len(module.resolutions) - 1):
    names = ["convs.{}.conv.blur", "to_rgbs.{}.upsample"]
    exported[f"{names[0].format(2 * j)}.kernel"] = fir
    exported[f"{names[1].format(j)}.kernel"] = fir
    if module.label_channels:
      exported[f"to_segs.{j}.upsample.kernel"] = fir
  return exported


@pytest.fixture
def saved(tmp_path):
  """saved(config, **extra) -> (path of a converted file, its variables)."""

  def save(config, **extra):
    module = networks.generator(config)
    z = np.zeros((1, module.style_dim), np.float32)
    variables = jax.device_get(jax.jit(module.init)(jax.random.key(3), z))
    path = tmp_path / "generator.safetensors"
    interop.save(path, "stylegan2/generator",
                 entries(module, variables) | extra)
    return path, variables

  return save


@pytest.mark.parametrize("average", [True, False])
def test_file_gives_network_and_mean_latent(toy_config, saved, average):
  config = unlabeled(toy_config)
  mean = np.arange(config.generator.style_dim, dtype=np.float32)
  path, variables = saved(config, **({"latent_avg": mean} if average else {}))
  config.generator.weights = str(path)
  loaded = generators.load(config, None, "a test")
  assert loaded.module.noise_shapes == generators.module(config).noise_shapes
  assert set(loaded.variables) == {"params", "noise"}
  jax.tree.map(np.testing.assert_array_equal, loaded.variables, variables)
  if average:
    np.testing.assert_array_equal(loaded.mean, mean)
  else:
    z = jax.random.normal(jax.random.key(9), (5000, mean.size))
    latents = loaded.module.apply(loaded.variables, z, method="mapping")
    np.testing.assert_allclose(loaded.mean, latents.mean(0), atol=0.1)


def test_stage_gives_the_average(toy_config, tmp_path):
  config = unlabeled(toy_config)
  stage = gan.make(config, tmp_path)
  state = jax.jit(stage.init)(jax.random.key(0), {})
  with checkpoint.Checkpoints(tmp_path / "gan/ckpt") as checkpoints:
    checkpoints.save(1, state, {})
  loaded = generators.load(config, tmp_path, "a test")
  jax.tree.map(np.testing.assert_array_equal, loaded.variables["params"],
               state.ema)
  assert loaded.mean.shape == (loaded.module.style_dim,)


@pytest.mark.parametrize(("field", "value", "message"), [
    ("data.num_labeled", 8, "label branch.*data.num_labeled=0"),
    ("data.size", 16, r"config.data.size is 16.*size 8"),
    ("data.channels", 1, r"config.data.channels is 1.*channels 3"),
    ("generator.weights", "none.safetensors", "no such file"),
])
def test_refusals_name_the_field(toy_config, saved, field, value, message):
  config = unlabeled(toy_config)
  config.generator.weights = str(saved(config)[0])
  if field == "data.num_labeled":
    config.generator.weights = ""  # the config's own network
  config.update_from_flattened_dict({field: value})
  with pytest.raises((OSError, ValueError), match=message):
    generators.module(config)


def test_a_label_branch_can_be_allowed(toy_config, saved):
  config = unlabeled(toy_config, **{"data.num_labeled": 8})
  config.generator.weights = str(saved(config)[0])
  with pytest.raises(ValueError, match="would leak"):
    generators.load(config, None, "a test")
  config.generator.allow_label_branch = True
  assert generators.load(config, None, "a test").module.label_channels


@pytest.mark.parametrize("whole", [False, True])
def test_conversion_keeps_the_average_beside_the_network(
    toy_config, saved, tmp_path, monkeypatch, whole):
  config = unlabeled(toy_config)
  path, _ = saved(config)
  network, _ = convert.read(str(path))
  mean = rows = np.ones(config.generator.style_dim, np.float32)
  if whole:  # An encoder besides, and the mean once per latent.
    network = {f"decoder.{k}": v for k, v in network.items()}
    network["encoder.input_layer.0.weight"] = np.zeros(3)
    rows = np.stack([mean] * 4)
  monkeypatch.setattr(convert.torch_files, "load", lambda path, **_: {
      "g_ema": network, "latent_avg": rows})
  out = tmp_path / "out.safetensors"
  convert.convert("stylegan2/generator", ["a.pt:g_ema"], str(out))
  config.generator.weights = str(out)
  np.testing.assert_array_equal(generators.load(config, None, "x").mean, mean)
