r"""Speed of SemanticGAN's training, phase by phase, and of its convolutions.

Each phase is the executable that training runs, on random images and labels.
A product of square matrices, timed in the same rounds, gives the machine's
practical peak. FLOPs are the compiler's count of that executable. At
--size=256 --width=512 --batch=16 the networks are the published ones.

  python -m benchmarks.train_step --size=32 --width=64 --batch=8
"""

import contextlib
import functools
import json
import os
import pathlib
import tempfile
from typing import NamedTuple
from unittest import mock

from absl import app
from absl import flags
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import timing
from configs.semantic_gan import base
from semseg_jax.cpu import startup
from semseg_jax.cpu import target
from semseg_jax.methods import gan
from semseg_jax.methods import supervised
from semseg_jax.methods.common import perceptual
from semseg_jax.methods.semantic_gan import encoder
from semseg_jax.ops import conv
from semseg_jax.ops import modulated_conv
from semseg_jax.training import mesh as mesh_lib
from semseg_jax.training import phases

_SIZE = flags.DEFINE_integer("size", 32, "Side of the images.")
_WIDTH = flags.DEFINE_integer(
    "width", 64, "Widest layer; the others keep the published proportions.")
_BATCH = flags.DEFINE_integer("batch", 8, "Images of either kind per step.")
_DTYPE = flags.DEFINE_enum(
    "dtype", "float32", ["float32", "bfloat16"], "Compute type.")
_CLASSES = flags.DEFINE_integer("classes", 8, "Classes of the labels.")
_STEPS = flags.DEFINE_integer("steps", 5, "Counted runs of each phase.")
_STAGES = flags.DEFINE_multi_enum(
    "stage", ["gan", "encoder", "supervised"],
    ["gan", "encoder", "supervised"], "What to time.")
_FORMS = flags.DEFINE_multi_enum(
    "form", ["phases", "plain", "per_sample"],
    ["phases", "plain", "per_sample"],
    "Formulations of convolution to compare on the GAN; see `formulated`.")
_MATMUL = flags.DEFINE_integer("matmul", 2048, "Side of the peak's matrices.")


class Case(NamedTuple):
  """One phase, ready to be timed: `run` returns when its work is done."""
  stage: str
  phase: str
  form: str
  run: object
  record: pathlib.Path  # JSON with compile seconds and FLOPs by phase


@contextlib.contextmanager
def formulated(form: str):
  """What is traced inside uses one formulation of the convolutions.

  "phases": strided and transposed ones as stride-1 pieces. "plain": all left to
  XLA; modulation still scales inputs and outputs of one shared convolution.
  "per_sample": plain, and modulation as StyleGAN2 defines it, with a kernel
  for each sample.
  """
  with contextlib.ExitStack() as stack:
    stack.enter_context(target.compiling_for(
        "cpu" if form == "phases" else "gpu"))
    if form == "per_sample":
      stack.enter_context(mock.patch.object(
          modulated_conv, "modulated_conv", per_sample_conv))
    yield


def per_sample_conv(
    x, kernel, style, *, up=False, down=False, demodulate=True):
  """`modulated_conv` by its definition: as many kernels as samples."""
  kernel = modulated_conv.equalized(kernel) * style[:, None, None, :, None]
  if demodulate:
    power = jnp.sum(jnp.square(kernel), (1, 2, 3), keepdims=True)
    kernel = kernel / jnp.sqrt(power + 1e-8)
  one = functools.partial(conv.conv2d, padding=kernel.shape[1] // 2)
  one = conv.upsample_conv if up else conv.downsample_conv if down else one
  return jax.vmap(lambda x, k: one(x[None], k)[0])(
      x, kernel.astype(x.dtype))


def config():
  """The published config with the sizes that the flags ask for."""
  c = base.get_config()
  width, share = _WIDTH.value, _WIDTH.value / 512
  c.dtype = _DTYPE.value
  c.data.update(name="random", size=_SIZE.value, num_classes=_CLASSES.value,
                ignore_index=255)
  for network in (c.generator, c.image_discriminator):
    network.update(max_channels=width, channel_multiplier=2 * share)
  narrow = max(4, int(64 * share))
  c.patch_discriminator.width = narrow
  c.encoder.update(
      stem_width=narrow, fpn_channels=width, head_channels=width,
      head_convs=c.encoder.head_convs if _SIZE.value == 256 else ())
  c.supervised.width = narrow
  c.gan.batch_size = c.supervised.batch_size = _BATCH.value
  c.encoder.update(batch_size=_BATCH.value, unlabeled_batch_size=_BATCH.value)
  return c


def make_stage(c, name: str):
  """(stage, frozen): random networks instead of trained ones."""
  if name == "supervised":
    return supervised.make(c, None), {}
  joint = gan.make(c, None)
  if name == "gan":
    return joint, {}
  state = jax.jit(joint.init)(jax.random.key(0), {})
  frozen = {
      "generator": {"params": state.ema, "noise": state.noise},
      "perceptual": state.image_discriminator}
  return encoder.make(c, None, perceptual=perceptual.discriminator_features(
      c, None, "the benchmark")), frozen


def make_cases(c, name: str, forms, folder) -> list[Case]:
  """The phases of a stage by formulation; compiled at their first run."""
  stage, frozen = make_stage(c, name)
  mesh = mesh_lib.make()
  rng = np.random.default_rng(0)
  n, side = _BATCH.value, (_SIZE.value, _SIZE.value)
  image = lambda: rng.integers(
      0, 256, (n, *side, c.data.channels)).astype(np.uint8)
  label = rng.integers(0, c.data.num_classes, (n, *side)).astype(np.int32)
  batch = mesh_lib.put_batch(
      {"labeled": {"image": image(), "label": label},
       "unlabeled": {"image": image()}}, mesh)
  frozen, key = mesh_lib.put_replicated((frozen, jax.random.key(1)), mesh)
  state = jax.jit(stage.init, out_shardings=mesh_lib.replicated(mesh))(
      jax.random.key(0), frozen)
  # Each run deletes the state it is given.
  held = {form: jax.tree.map(jnp.copy, state) for form in forms}

  def run(compiled, form, phase, position):
    with formulated(form):  # acts on the first run only, which traces
      held[form], _ = compiled.run(
          phase, held[form], frozen, batch, key, position)
    jax.block_until_ready(held[form])

  cases = []
  for form in forms:
    record = pathlib.Path(folder) / f"{name}_{form}.json"
    compiled = phases.Phases(stage, record, mesh, primary=True)
    for i, phase in enumerate(stage.phases(0)):  # step 0 has every phase
      cases.append(Case(
          name, phase, form,
          functools.partial(run, compiled, form, phase, np.int32(i)), record))
  return cases


def matmul(n: int, dtype):
  """(run, FLOPs) of an n x n x n product."""
  a = jax.random.normal(jax.random.key(0), (n, n), dtype)
  product = jax.jit(jnp.matmul)
  return lambda: jax.block_until_ready(product(a, a)), 2.0 * n ** 3


def amortised(c, milliseconds) -> float:
  """Mean time of a GAN iteration from those of its phases."""
  often = {"r1": c.gan.r1_every, "path": c.gan.path_every}
  return sum(t / often.get(phase, 1) for phase, t in milliseconds.items())


def main(argv):
  if len(argv) > 1:
    raise app.UsageError(f"unknown argument {argv[1]!r}")
  print(f"XLA: {startup.apply()}\n")  # as train.py; JAX has not started yet
  c = config()
  default = "phases" if target.platform() == "cpu" else "plain"
  with tempfile.TemporaryDirectory() as folder:
    cases = []
    for name in _STAGES.value:
      others = _FORMS.value if name == "gan" else ()
      forms = dict.fromkeys((default, *others))  # each once, default first
      cases += make_cases(c, name, forms, folder)
    product, work = matmul(_MATMUL.value, jnp.dtype(_DTYPE.value))
    times = timing.interleave(
        {x[:3]: x.run for x in cases} | {"matmul": product}, _STEPS.value)
    counts = {x[:3]: json.loads(x.record.read_text())[x.phase] for x in cases}
  peak = work / times["matmul"].median
  report(c, default, times, counts, peak)


def report(c, default, times, counts, peak):
  """Prints both tables in Markdown."""
  device = jax.devices()[0]
  print(f"{_SIZE.value} px, width {_WIDTH.value}, batch {_BATCH.value}, "
        f"{_CLASSES.value} classes, {_DTYPE.value}; {device.device_kind}, "
        f"{os.cpu_count()} cores, jax {jax.__version__}; medians of "
        f"{_STEPS.value}; peak {peak / 1e9:.0f} GFLOP/s (product of "
        f"{_MATMUL.value} x {_MATMUL.value})\n")
  print("| stage | phase | ms | GFLOP | GFLOP/s | of peak | compile s |\n"
        "|---|---|---|---|---|---|---|")
  by_form = {}
  for case, count in counts.items():
    stage, phase, form = case
    ms = times[case].median * 1e3
    if stage == "gan":
      by_form.setdefault(form, {})[phase] = ms
    if form != default:
      continue
    flops = count["flops"] or float("nan")
    rate = flops / times[case].median
    print(f"| {stage} | {phase} | {ms:.1f} | {flops / 1e9:.2f} | "
          f"{rate / 1e9:.1f} | {rate / peak:.0%} | {count['seconds']:.1f} |")
  if not by_form:
    return
  names = list(by_form[default])
  print(f"\nA GAN iteration takes {amortised(c, by_form[default]):.1f} ms on "
        f"average: r1 every {c.gan.r1_every}, path every {c.gan.path_every}.\n")
  print(f"Time of the GAN's phases, that of {default!r}, this platform's "
        "formulation, = 1:\n")
  print("| formulation | " + " | ".join(names) + " | iteration |")
  print("|---" * (len(names) + 2) + "|")
  for form, ms in by_form.items():
    ratios = [ms[n] / by_form[default][n] for n in names]
    ratios.append(amortised(c, ms) / amortised(c, by_form[default]))
    print(f"| {form} | " + " | ".join(f"{r:.2f}" for r in ratios) + " |")


if __name__ == "__main__":
  app.run(main)
