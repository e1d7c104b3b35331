r"""An iteration of the GAN with either image discriminator, phase by phase.

Both at the sizes of the `cpu` presets, on random images, taking turns. The
projected one needs the extra `pretrained`.

  python -m benchmarks.image_discriminators --labels=0
"""

import functools

from absl import app
from absl import flags
import jax
import numpy as np

from benchmarks import timing
from configs.semantic_gan import base
from configs.semantic_gan import small
from semseg_jax.cpu import startup
from semseg_jax.methods import gan

_LABELS = flags.DEFINE_integer("labels", 10, "0: images alone.")
_FEATURE_SIZE = flags.DEFINE_integer(
    "feature_size", 128, "Side of what the pretrained network sees.")
_ROUNDS = flags.DEFINE_integer("rounds", 10, "Counted runs of each phase.")
_KINDS = ("stylegan2", "projected")


def config(kind):
  """The `cpu` preset with one of the discriminators."""
  c = base.get_config()
  c.data.update(name="random", num_classes=3, num_labeled=_LABELS.value)
  small.two_cores(c)
  c.image_discriminator.update(kind=kind, feature_size=_FEATURE_SIZE.value)
  c.gan.augment.update(policy=("color", "translation", "cutout"),
                       pair_policy=("color", "translation"), strength=0.6)
  if kind == "projected":
    c.gan.path_length_weight = 0.0
  return c


def phase_runs(c):
  """{phase: function that runs it}; each run deletes the state before."""
  stage = gan.make(c, "")
  frozen = jax.device_put(stage.load_frozen())
  random = np.random.default_rng(0)
  shape = (c.gan.batch_size, c.data.size, c.data.size)
  image = lambda: random.integers(0, 256, (*shape, 3)).astype(np.uint8)
  batch = jax.device_put({
      "unlabeled": {"image": image()}, "labeled": {
          "image": image(), "label": random.integers(
              0, 3, shape).astype(np.int32)}})
  held = [jax.jit(stage.init)(jax.random.key(0), frozen)]
  step = jax.jit(stage.train_step, static_argnames="phase", donate_argnums=0)

  def run(phase, rngs):
    held[0], _ = step(held[0], frozen, batch, rngs, phase=phase)
    jax.block_until_ready(held[0])

  return {  # step 0 has every phase
      phase: functools.partial(run, phase, stage.rngs(jax.random.key(1), phase))
      for phase in stage.phases(0)}


def main(argv):
  if len(argv) > 1:
    raise app.UsageError(f"unknown argument {argv[1]!r}")
  startup.apply()
  configs = {kind: config(kind) for kind in _KINDS}
  runs = {(kind, phase): run for kind in _KINDS
          for phase, run in phase_runs(configs[kind]).items()}
  times = timing.interleave(runs, _ROUNDS.value)
  c = configs["stylegan2"]
  often = {"r1": c.gan.r1_every, "path": c.gan.path_every}
  total = {}
  print(f"{c.data.size} px, batch {c.gan.batch_size}, {_LABELS.value} labels, "
        f"features at {_FEATURE_SIZE.value} px; medians of {_ROUNDS.value}\n\n"
        "| discriminator | phase | ms |\n|---|---|---|")
  for (kind, phase), taken in times.items():
    ms = taken.median * 1e3
    total[kind] = total.get(kind, 0) + ms / often.get(phase, 1)
    print(f"| {kind} | {phase} | {ms:.1f} |")
  for kind, ms in total.items():
    print(f"| {kind} | iteration on average | {ms:.1f} |")
  ratio = total["projected"] / total["stylegan2"]
  print(f"\nprojected / stylegan2 = {ratio:.2f}")


if __name__ == "__main__":
  app.run(main)
