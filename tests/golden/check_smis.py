"""Golden checks of Fewshot-SMIS: encoder, tapped map, pseudo labels, LPIPS."""

import re

import cases
import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax import interop
from semseg_jax.methods.fewshot_smis import pseudo_labels
from semseg_jax.models import stylegan2
from semseg_jax.ops import prototypes

# Tapped module of the original -> our map; `body.N` is unitN.
_MAPS = {"input_layer": "stem", "latlayer1": "lateral_middle",
         "latlayer2": "lateral_fine"}


def psp_encoder(case):
  weights = case.state_dict()
  kind = case.manifest["networks"][0]["kind"]
  module, variables = interop.from_torch(kind, weights)
  mean = case.input("latent_avg")
  _, with_mean = interop.from_torch(kind, weights | {"latent_avg": mean})
  del weights
  tapped = {}
  for key in case.manifest["arrays"]:
    name, _, statistic = key.partition("/")
    if statistic:
      new = _MAPS.get(name, name.replace("body.", "unit"))
      tapped[key] = (new, statistic)

  @jax.jit
  def run(variables, mean, x):
    maps = module.apply(variables, x, method="features")
    outputs = {key: getattr(maps[name], statistic)((0, 1, 2))
               for key, (name, statistic) in tapped.items()}
    outputs["codes"] = module.apply(
        variables, maps["pyramid"], method="latents")
    # The whole call, with the mean of its own collection.
    outputs["codes_plus_avg"] = module.apply({**variables, "mean": mean}, x)
    return outputs

  x = case.draw("x").transpose(0, 2, 3, 1)
  for key, got in run(variables, with_mean["mean"], x).items():
    case.check(key, got, 1e-4)


def smis_generator(case):
  module, variables = interop.from_torch(
      case.manifest["networks"][0]["kind"], case.state_dict())
  layer = pseudo_labels.feature_layer(module)

  @jax.jit
  def synthesize(variables, latents):
    sample, features = module.apply(variables, latents, method="synthesize")
    return sample.image, features[layer]

  z = case.input("z")
  w = jax.jit(lambda v, z: module.apply(v, z, method="mapping"))(variables, z)
  case.check("w", w, 1e-4)
  latents = stylegan2.broadcast_latents(w, module.num_ws)
  first, last, shift = re.search(
      r"layers (\d+)\.\.(\d+) \+= (normal_input\(.*\))",
      case.manifest["inputs"]["wplus"]).groups()
  wplus = latents.at[:, int(first):int(last) + 1].add(cases.evaluate(shift))
  for suffix, latent in (("", latents), ("_wplus", wplus)):
    image, feature = synthesize(variables, latent)
    case.check(f"image{suffix}", cases.nchw(image), 1e-4)
    for key in case.manifest["arrays"]:
      match = re.fullmatch(rf"feature{suffix}_stride(\d+)", key)
      if match:
        step = int(match[1])
        case.check(key, cases.nchw(feature[:, ::step, ::step]), 1e-4)
      elif not suffix and key in ("feature_mean", "feature_std"):
        statistic = getattr(feature, key.partition("_")[2])
        case.check(key, statistic((0, 1, 2)), 1e-4)


def smis_pseudo_dense(case):
  annotation = case.input("annotation")
  known = _annotation_features(case, annotation)
  text = case.manifest["inputs"]["test features"]
  values, _, rest = text.partition(" + normal_input(")
  test = cases.evaluate(values)
  tag, scale = re.match(r"'([^']+)', same shape, scale=([\d.]+)", rest).groups()
  test = test + cases.normal_input(tag, test.shape, scale=float(scale))
  block = re.search(r"\[:, :, :(\d+), :(\d+)\] is overwritten with minus the "
                    r"sum over classes 0\.\.(\d+) of the centres", rest)
  if block:
    high, wide, last = map(int, block.groups())
    test[:, :, :high, :wide] = -_centres(rest)[:last + 1].sum(0)[:, None, None]
  _check_sums(case, fa=known, ft=test, lab=annotation)
  classes = case.manifest["num_classes"]

  @jax.jit
  def run(known, annotation, test):
    computed = prototypes.dense(known, annotation, classes)
    return computed.vectors, prototypes.label_dense(computed, test)

  vectors, label = run(cases.nhwc(known), annotation, cases.nhwc(test))
  case.check("representative_vectors", vectors, 1e-5)
  _check_labels(case, "labels", label)


def smis_pseudo_sparse(case):
  annotation = case.input("annotation")
  known = _annotation_features(case, annotation)
  text = case.manifest["inputs"]["test features"]
  value_of = lambda pattern: cases.evaluate(re.search(pattern, text)[1])
  position = value_of(r"centres\[(block_labels\(.*?\))\]")
  noise = value_of(r"(normal_input\(.*?\), scale=.*?\))")
  tag, shape, factor = re.search(
      r"strength = rng_for\('([^']+)'\)\.random\((\(.*?\)), float32\)"
      r" \* float32\(([\d.]+)\)", text).groups()
  shape = tuple(int(n) for n in re.findall(r"\d+", shape))
  strength = cases.rng_for(tag).random(shape, np.float32) * np.float32(factor)
  test = np.moveaxis(_centres(text)[position], -1, 1) * strength + noise
  _check_sums(case, fa=known, ft=test)

  classes = case.manifest["num_classes"]
  size = case.manifest["feature_size"]
  capacity = prototypes.annotated_cells(annotation, size)
  computed = jax.jit(prototypes.sparse, static_argnums=2)(
      cases.nhwc(known), annotation, capacity)
  counts = np.bincount(np.asarray(computed.classes), minlength=classes)
  # The original also counts the unknown cells, whose vectors it never uses.
  counts[0] = prototypes.cells(annotation, size).size - capacity
  case.check("vector_counts", counts, 0)
  label_sparse = jax.jit(
      prototypes.label_sparse, static_argnums=2, static_argnames="k")
  for key in case.manifest["arrays"]:
    if match := re.fullmatch(r"class(\d+)_vectors", key):
      case.check(key, computed.vectors[computed.classes == int(match[1])], 1e-5)
    elif match := re.fullmatch(r"labels_top(\d+)_thr(.+)", key):
      label = label_sparse(computed, cases.nhwc(test), classes, k=int(match[1]),
                           threshold=float(match[2]))
      _check_labels(case, key, label)


def lpips_alex(case):
  module, variables = interop.from_torch(
      case.manifest["networks"][0]["kind"], case.state_dict())
  x, y = (cases.nhwc(case.input(k)) for k in ("x", "y"))
  distance = jax.jit(module.apply)(variables, x, y)
  case.check("per_image", distance, 1e-4)
  case.check("distance", distance.mean(), 1e-4)
  case.check("mse", jnp.square(x - y).mean(), 1e-5)


def _annotation_features(case, annotation):
  """float32 [N, C, h, w] of the annotated images, by the manifest's words."""
  tag, row, column, rest = re.fullmatch(
      r"class_features\('([^']+)', \w+\[:, ::(\d+), ::(\d+)\], (.*)\)",
      case.manifest["inputs"]["annotation features"]).groups()
  label = annotation[:, ::int(row), ::int(column)]
  channels, classes, mix, noise = map(float, rest.split(", "))
  return cases.class_features(
      tag, label, int(channels), int(classes), mix, noise)


def _centres(text):
  """The centers of classes, [C, D], that the text names."""
  tag, classes, channels = re.search(
      r"rng_for\('([^']+)/centres'\)\.standard_normal\(\((\d+), (\d+)\)",
      text).groups()
  return cases.class_centres(tag, int(classes), int(channels))


def _check_sums(case, **arrays):
  """The inputs are those of the recording."""
  for name, total in case.manifest["checksums"].items():
    np.testing.assert_allclose(
        arrays[name].astype(np.float64).sum(), total, rtol=1e-6, err_msg=name)


def _check_labels(case, key, label):
  size = case.manifest["arrays"][key]["shape"][-1]
  got = np.asarray(prototypes.enlarge(label, size))[:, None]
  case.check(key, got, 0)


CHECKS = {f.__name__: f for f in (
    psp_encoder, smis_generator, smis_pseudo_dense, smis_pseudo_sparse,
    lpips_alex)}
