"""Every config file loads and describes stages that can be built."""

import importlib
import pathlib

from hypothesis import given
from hypothesis import strategies as st
import jax
import ml_collections
import numpy as np
import pytest

from configs import common
from semseg_jax import stages
from semseg_jax.methods.common import segmenter
from semseg_jax.models import efficientnet_lite
from semseg_jax.training import run_dir

ROOT = pathlib.Path(__file__).resolve().parent.parent / "configs"
# What a config asks for that has no default.
NEEDED = {"semantic_gan/folder": "size=16,classes=2,channels=1",
          "repurpose_gan/folder": "size=16,classes=2,channels=1"}

# Configs whose smoke stages are built without --all: all methods, color and
# gray, and both segmentation networks.
BUILT = {
    "semantic_gan/toy_faces", "semantic_gan/chest_xray",
    "repurpose_gan/toy_faces", "fewshot_smis/toy_faces", "semisup/scenes",
    "semisup/camvid"}

# Methods whose generator is trained without labels; they count shots.
UNLABELED = ("repurpose_gan/", "fewshot_smis/")


def _configs():
  """{name: get_config} of all files with a `get_config(arg)`."""
  functions = {}
  for path in sorted(ROOT.glob("*/*.py")):
    module = importlib.import_module(
        f"configs.{path.parent.name}.{path.stem}")
    function = getattr(module, "get_config", None)
    if function and "arg" in function.__code__.co_varnames[
        :function.__code__.co_argcount]:
      functions[f"{path.parent.name}/{path.stem}"] = function
  return functions


CONFIGS = _configs()


def load(name, *words):
  needed = [NEEDED[name]] if name in NEEDED else []
  return CONFIGS[name](",".join((*needed, *words)))


def test_every_data_set_has_its_configs():
  assert {"semantic_gan/toy_faces", "repurpose_gan/coffee_leaf",
          "fewshot_smis/ccp_person"} <= set(CONFIGS)


@pytest.mark.parametrize("name", CONFIGS)
def test_loads_and_can_be_locked(name):
  whole, toy = load(name), load(name, "smoke")
  for config in (whole, toy):
    assert isinstance(config, ml_collections.ConfigDict)
    config.lock()
    assert config.data.name
    with pytest.raises((AttributeError, KeyError)):
      config.gan.stepz = 3
  assert set(whole.keys()) == set(toy.keys())
  for stage in toy.stages:
    if "steps" in toy.get(stage, {}) and stage in whole.stages:
      assert toy[stage].steps < 10 < whole[stage].steps
  # What is written into a run's folder can be read back.
  assert whole.to_json_best_effort()


@pytest.mark.parametrize("name", CONFIGS)
def test_seed_decides_shots_and_subset(name):
  config = load(name, "seed=3")
  assert (config.seed, config.data.split_seed) == (3, 3)


@pytest.mark.parametrize(("data", "words"), [
    ("toy_faces", ()), ("coffee_leaf", ("cpu",))])
@pytest.mark.parametrize("stage", ["gan", "fully_supervised"])
def test_few_shot_methods_can_share_stages(data, words, stage, tmp_path):
  one = load(f"repurpose_gan/{data}", *words)
  other = load(f"fewshot_smis/{data}")
  folder, relevant = tmp_path / stage, lambda config: stages.relevant(
      config, stage)
  run_dir.prepare(folder, relevant(one), {})
  run_dir.check(folder, relevant(other))


@pytest.mark.parametrize(("name", "words"), [
    ("repurpose_gan/coffee_leaf", ("cpu",)), ("repurpose_gan/wbc", ("cpu",)),
    ("fewshot_smis/coffee_leaf", ()), ("fewshot_smis/toy_faces", ())])
def test_the_generator_of_another_run(name, words):
  config = load(name, *words, "run=there")
  assert config.labels.run == "there"
  assert "gan" not in config.stages
  # The generator has to be that of SemanticGAN's config for images alone.
  like = load("semantic_gan/coffee_leaf", "labels=0", "cpu")
  assert config.generator.channels_per_resolution == (
      like.generator.channels_per_resolution)
  assert config.data.size == like.data.size


@pytest.mark.parametrize("name", CONFIGS)
def test_number_of_labels(name):
  if name.startswith(UNLABELED):
    config = load(name, "shots=5")
    assert (config.shots.count, config.data.num_labeled) == (5, 0)
  else:
    assert load(name, "labels=5").data.num_labeled == 5


@pytest.mark.parametrize("name", CONFIGS)
def test_unknown_argument_lists_the_known_ones(name):
  with pytest.raises(ValueError, match="'smoky' is unknown.*smoke"):
    load(name, "smoky")


# (name, without labels): the few-shot methods' generators have none anyway.
BUILDS = [
    pytest.param(name, unlabeled, marks=[] if (
        name in BUILT and not unlabeled or name == "semantic_gan/toy_faces"
    ) else [pytest.mark.slow])
    for name in CONFIGS for unlabeled in (False, True)
    if not (unlabeled and name.startswith(UNLABELED))]


@pytest.mark.parametrize(("name", "unlabeled"), BUILDS)
def test_smoke_stages_can_be_built_without_data(name, unlabeled, tmp_path):
  config = load(name, "smoke", *(["labels=0"] if unlabeled else []))
  config.lock()
  for stage_name in config.stages:
    if not config.data.num_labeled and (
        stage_name == "supervised" or config.method == "semisup"):
      with pytest.raises(ValueError, match="config.data.num_labeled"):
        stages.make(config, tmp_path, stage_name)
      continue
    stage = stages.make(config, tmp_path, stage_name)
    frozen = None
    if stage_name == "encoder" and config.method == "semantic_gan":
      # It starts at the generator's mean latent; shapes alone come from no run.
      frozen = stages.make(config, None, stage_name).load_frozen()
    state = jax.eval_shape(stage.init, jax.random.key(0), frozen)
    assert state.step.dtype == np.int32
    assert stage.phases(0)
    # Latents of shots are computed while their stage is set up.
    computes = name.startswith("fewshot_smis/") and stage_name == "shots"
    assert stage.steps == (0 if computes else 4)
    for phase in stage.phases(0):
      jax.eval_shape(
          lambda key, s=stage, p=phase: s.rngs(key, p), jax.random.key(0))


@pytest.mark.parametrize("name", [
    "semantic_gan/folder", "semantic_gan/chest_xray", "semisup/camvid",
    "semisup/wbc", "semisup/cityscapes"])
def test_smoke_has_no_pretrained_backbone(name, tmp_path):
  config = load(name, "backbone=efficientnet_lite0", "smoke").lock()
  stages.make(config, tmp_path, "supervised")
  with pytest.raises(ValueError, match="backbone='resnet': choose one of eff"):
    load(name, "backbone=resnet", "smoke")
  assert common.BACKBONES == tuple(efficientnet_lite.NAMES)


@pytest.mark.parametrize(("name", "words", "message"), [
    ("semisup/camvid", "ratio=1,labels=12", "ratio=1.0 and labels=12"),
    ("semisup/scenes", "ratio=0.5,labels=46", "ratio=0.5 and labels=46"),
    ("semantic_gan/folder", "run=there", "run='there'.*add fitted"),
    ("semantic_gan/toy_faces", "run=there", "run='there'.*add fitted"),
    ("semantic_gan/folder", "labels=0,fitted,run=there", "with labels=0"),
    ("semantic_gan/toy_faces", "labels=0,fitted,run=there", "with labels=0"),
    ("semantic_gan/chest_xray", "labels=0,cpu,run=there", "with labels=0"),
    ("semantic_gan/toy_faces", "long,fitted", "argument long"),
    ("semantic_gan/toy_faces", "long,demo", "argument long")])
def test_no_argument_is_ignored(name, words, message):
  with pytest.raises(ValueError, match=message):
    load(name, words)


@pytest.mark.parametrize(("words", "labels"), [
    ("ratio=1", -1), ("ratio=1,cpu", -1), ("ratio=0.5", 0.5), ("", None),
    ("labels=12", 12)])
@pytest.mark.parametrize(("name", "default", "pool"), [
    ("camvid", 46, 367), ("ccp_person", 100, 404)])
def test_share_of_the_labels(name, default, pool, words, labels):
  labels = {None: default, 0.5: pool // 2}.get(labels, labels)
  assert load(f"semisup/{name}", words).data.num_labeled == labels


@pytest.mark.parametrize("word", ["fitted", "demo"])
def test_unlabeled_faces_as_given(word):
  config = lambda *words: load("semantic_gan/toy_faces", word, *words)
  assert config().data.num_unlabeled == -1
  assert config("unlabeled=500").data.num_unlabeled == 500


def test_network_on_a_backbone():
  backbone = "backbone=efficientnet_lite0"
  named = load("semisup/wbc", backbone, "network=unet")
  assert (named.segmenter.network, named.segmenter.backbone) == (
      "unet", "efficientnet_lite0")
  # docs/results.md names the field besides, which changes nothing else.
  plain = load("semisup/wbc", backbone)
  assert plain.segmenter.network == "deeplabv3plus"
  plain.segmenter.network = "unet"
  assert plain.to_json_best_effort() == named.to_json_best_effort()
  with pytest.raises(ValueError, match="not for 'deeplabv2'"):
    segmenter.build(load("semisup/wbc", backbone, "network=deeplabv2"))


WORDS = st.text("abcdefgh_", min_size=1, max_size=6)


@given(st.integers(), st.floats(allow_nan=False), WORDS, st.booleans(),
       st.permutations(["count", "rate", "name", "flag"]))
def test_parse_arg_reads_what_was_written(count, rate, name, flag, order):
  written = {"count": f"count={count}", "rate": f"rate={rate!r}",
             "name": f"name={name}", "flag": "flag" if flag else "flag=false"}
  parsed = common.parse_arg(
      ",".join(written[k] for k in order), count=0, rate=0.5, name="",
      flag=False)
  assert parsed == {"count": count, "rate": rate, "name": name, "flag": flag}
  assert type(parsed["count"]) is int
  assert type(parsed["rate"]) is float


@given(WORDS.filter(lambda x: x not in ("a", "b")))
def test_parse_arg_refuses_other_names(name):
  with pytest.raises(ValueError, match=f"'{name}' is unknown.* a, b$"):
    common.parse_arg(f"a=1,{name}=2", a=0, b=False)


@pytest.mark.parametrize("text", [
    "count=x", "count=", "count", "count=1.5", "flag=maybe"])
def test_parse_arg_refuses_other_types(text):
  with pytest.raises(ValueError, match=text.partition("=")[0]):
    common.parse_arg(text, count=0, flag=False)


@pytest.mark.parametrize("text", ["", None, ","])
def test_parse_arg_of_nothing_gives_defaults(text):
  assert common.parse_arg(text, a=1, b=True) == {"a": 1, "b": True}


@given(st.lists(st.one_of(
    st.text("=,.-+_0123456789eEinfalstrucodg \0é１", max_size=8),
    st.sampled_from(["count=", "rate=", "flag", "name=", "=", ",,"])),
                max_size=6).map("".join))
def test_parse_arg_of_anything(text):
  defaults = dict(count=1, rate=0.5, name="", flag=False)
  try:
    parsed = common.parse_arg(text, **defaults)
  except ValueError as error:
    said = str(error)
  else:
    said = "config argument"
    assert {k: type(v) for k, v in parsed.items()} == {
        k: type(v) for k, v in defaults.items()}
  assert said.startswith("config argument")
  assert "\n" not in said


@pytest.mark.parametrize("text", ["count=" + "9" * 10_000, "rate=1e"])
def test_parse_arg_of_absurd_numbers(text):
  with pytest.raises(ValueError, match="is not of type"):
    common.parse_arg(text, count=0, rate=0.5)


@pytest.mark.parametrize("name", CONFIGS)
def test_seed_as_argument_and_as_override_mean_the_same(name):
  overridden = load(name)
  overridden.seed = 3  # what --config.seed=3 does
  assert overridden.to_json_best_effort() == load(
      name, "seed=3").to_json_best_effort()
  overridden.data.split_seed = 1
  assert (overridden.seed, overridden.data.split_seed) == (3, 1)
