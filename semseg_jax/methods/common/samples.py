"""Generated images with their latents and noise: made, written, read back.

A sample is numbered; its z comes from NumPy's legacy generator seeded by that
number, as in RepurposeGAN's official code.
"""

import functools
import hashlib
import io
import json
import pathlib
from typing import NamedTuple
import zipfile

import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax.data import errors
from semseg_jax.data import image_files
from semseg_jax.data import readers
from semseg_jax.data import text_files
from semseg_jax.data import transforms
from semseg_jax.methods.common import generators
from semseg_jax.models import stylegan2
from semseg_jax.ops import image_ops
from semseg_jax.training import run_dir

_RECORD = "samples.json"
# Gray levels, of 255, by which a written image and the same rendered again may
# differ in the mean. bfloat16 instead of float32 gave up to 1, copies that were
# enlarged to paint on them too; two samples of one generator differ by 25 and
# more.
_TOLERANCE = 5


class Samples(NamedTuple):
  """image: uint8 [n, S, S, C]; latents: [n, L, D]; noise: of [n, h, w, 1]."""
  image: np.ndarray
  latents: np.ndarray
  noise: tuple[np.ndarray, ...]


def latents(numbers, dim: int) -> np.ndarray:
  """z of numbered samples, float32 [n, dim]."""
  # The legacy generator on purpose: its numbers are part of the protocol.
  return np.concatenate([
      np.random.RandomState(n).randn(1, dim)  # noqa: NPY002
      for n in numbers]).astype(np.float32)


def draw(generator: generators.Trained, numbers, truncation: float) -> Samples:
  """The samples with these numbers.

  Args:
    generator: what makes them.
    numbers: ints >= 0.
    truncation: latents are moved towards the mean latent; 1 leaves them.
  """
  module = generator.module
  rows = [jax.device_get(_generate(
      module, truncation, generator.variables, generator.mean,
      latents([n], module.style_dim), jax.random.key(n))) for n in numbers]
  return Samples(*jax.tree.map(lambda *x: np.concatenate(x), *rows))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _generate(module, truncation, variables, mean, z, key):
  w = module.apply(variables, z, method="mapping")
  latents = stylegan2.broadcast_latents(
      stylegan2.truncate(w, mean, truncation), module.num_ws)
  noise = stylegan2.random_noise(key, 1, module.noise_shapes)
  sample, _ = module.apply(variables, latents, noise, method="synthesize")
  return image_ops.to_uint8(sample.image), latents, noise


def fingerprint(generator: generators.Trained) -> str:
  """Digest of a generator's parameters: whose latents these are."""
  digest = hashlib.sha256()
  for path, leaf in jax.tree_util.tree_leaves_with_path(
      generator.variables["params"]):
    digest.update(jax.tree_util.keystr(path).encode())
    digest.update(np.ascontiguousarray(leaf).tobytes())
  return digest.hexdigest()[:16]


def write(generator: generators.Trained, spec, folder, numbers,
          truncation: float) -> list[str]:
  """Writes samples for a person to label.

  Into `folder`: <number>.png, <number>.npz (latents and noise), samples.json
  (whose they are) and classes.json, which an earlier call or the user may have
  put there. Existing files stay as they are.

  Args:
    generator: what makes the images.
    spec: the data set's, or None where classes.json is in the folder.
    folder: made if it is missing.
    numbers: of the samples.
    truncation: see `draw`.

  Returns names of the images.

  Raises errors.DataError: the folder holds samples of another generator or
  truncation, or classes.json is missing.
  """
  folder = pathlib.Path(folder)
  record = {"generator": fingerprint(generator), "truncation": truncation,
            "size": generator.module.size,
            "channels": generator.module.image_channels}
  if (folder / _RECORD).exists():
    there = _record(folder)
    if there != record:
      raise errors.DataError(
          f"{folder}: holds samples made otherwise "
          f"({_difference(there, record)}): write into another folder")
  if spec is None and not (folder / "classes.json").exists():
    raise errors.DataError(
        f"{folder}: classes.json is missing; without a data set it has to name "
        'the classes: {"classes": ["rest", ...], "colours": [[0, 0, 0], ...]}')
  folder.mkdir(parents=True, exist_ok=True)
  if not (folder / "classes.json").exists():
    (folder / "classes.json").write_text(json.dumps({
        "classes": list(spec.class_names), "colours": spec.colors.tolist(),
        "ignore_index": spec.ignore_index, "channels": spec.channels},
        indent=2) + "\n")
  (folder / _RECORD).write_text(json.dumps(record, indent=2) + "\n")
  names = []
  for number in numbers:
    name = f"{number:06d}"
    names.append(name)
    if (folder / f"{name}.npz").exists() and (folder / f"{name}.png").exists():
      continue
    sample = draw(generator, [number], truncation)
    content = io.BytesIO()
    np.savez(content, latents=sample.latents[0], **{
        f"noise{i}": x[0] for i, x in enumerate(sample.noise)})
    run_dir.write_bytes(folder / f"{name}.npz", content.getvalue())
    run_dir.write_bytes(folder / f"{name}.png",
                        image_files.encode_png(sample.image[0]))
  return names


def are_in(folder) -> bool:
  """Whether a folder holds images that `write` wrote."""
  return bool(folder) and (pathlib.Path(folder) / _RECORD).exists()


def read(generator: generators.Trained, folder, names) -> Samples:
  """Latents and noise of written samples; their images are rendered again.

  Raises errors.DataError: they are of another generator, missing or damaged, or
  the PNG that was painted on shows something else.
  """
  folder = pathlib.Path(folder)
  there, here = _record(folder)["generator"], fingerprint(generator)
  if there != here:
    raise errors.DataError(
        f"{folder}: the latents are of generator {there}, this one is {here}: "
        "use the one that made the images (it may have been trained further) "
        "or write and paint new samples")
  module = generator.module
  shapes = {"latents": (module.num_ws, module.style_dim)} | {
      f"noise{i}": (h, w, 1) for i, (h, w) in enumerate(module.noise_shapes)}
  rows = [_latents(folder / f"{name}.npz", shapes) for name in names]
  latents, *noise = (np.stack([r[k] for r in rows]) for k in shapes)
  render = jax.jit(lambda v, c, n: image_ops.to_uint8(
      module.apply(v, c, n, method="synthesize")[0].image))
  image = [render(generator.variables, jnp.asarray(latents[i:i + 1]),
                  tuple(x[i:i + 1] for x in noise))
           for i in range(len(latents))]
  image = np.concatenate(jax.device_get(image))
  for name, rendered in zip(names, image, strict=True):
    _check_shown(folder / f"{name}.png", rendered)
  return Samples(image, latents, tuple(noise))


def _check_shown(path, rendered):
  """Refuses a mask of an image that the latents beside it do not give."""
  # Fewshot-SMIS takes masks of any size, so the PNG may have been enlarged.
  shown = transforms.resize_image(
      readers.image(str(path), rendered.shape[-1]), len(rendered))
  difference = np.abs(shown.astype(np.float32) - rendered).mean()
  if difference > _TOLERANCE:
    raise errors.DataError(
        f"{path}: not the image that {path.stem}.npz gives (they differ by "
        f"{difference:.0f} of 255 gray levels), so its mask is of another one: "
        "delete the PNG, write it again with semseg-jax sample and paint that")


def _record(folder):
  path = folder / _RECORD
  if not path.exists():
    raise errors.DataError(
        f"{path}: missing; images to paint are written by semseg-jax sample")
  record = text_files.read_json(path)
  if not isinstance(record, dict) or "generator" not in record:
    raise errors.DataError(
        f"{path}: damaged (it names no generator): delete it and write the "
        "images again with semseg-jax sample")
  return record


def _difference(old, new):
  name = next(k for k in {**new, **old} if old.get(k) != new.get(k))
  return f"{name}: {old.get(name)} there, {new.get(name)} now"


def _latents(path, shapes):
  try:
    with np.load(path, allow_pickle=False) as z:
      arrays = {k: z[k] for k in z.files}
  except FileNotFoundError as e:
    raise errors.DataError(
        f"{path}: missing; it holds the latents of {path.stem}.png") from e
  except (OSError, ValueError, EOFError, zipfile.BadZipFile) as e:
    raise errors.DataError(f"{path}: damaged ({e})") from e
  for name, shape in shapes.items():
    got = arrays[name].shape if name in arrays else None
    if got != shape:
      raise errors.DataError(
          f"{path}: {name} is {got}, the generator takes {shape}")
    if arrays[name].dtype.kind != "f" or not np.isfinite(arrays[name]).all():
      raise errors.DataError(
          f"{path}: damaged ({name} holds what is no finite number): delete it "
          "and write it again with semseg-jax sample")
  return arrays
