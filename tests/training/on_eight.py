"""A program on eight virtual devices: a split state against a replicated one.

python on_eight.py toy|gan WORKDIR
"""

import json
import pathlib
import sys

import jax
import numpy as np

from semseg_jax.training import loop
from semseg_jax.training import mesh as mesh_lib

jax.config.update("jax_num_cpu_devices", 8)


def train_toy(workdir, kind):
  import toy  # beside this file
  return toy.run(workdir, 9, sharding=kind, width=16)


def train_gan(workdir, kind):
  from configs.semantic_gan import toy_faces
  from semseg_jax.methods import gan
  config = toy_faces.get_config("labels=20,smoke")
  config.data.update(size=16)
  config.gan.update(batch_size=8, steps=2, path_batch_shrink=1)
  return loop.train(
      gan.make(config, None), workdir=workdir, options=loop.LoopOptions(
          log_every=1), key=jax.random.key(0), sharding=kind)


def main(name, workdir):
  train = {"toy": train_toy, "gan": train_gan}[name]
  workdir = pathlib.Path(workdir)
  mesh_lib.MIN_SPLIT = 16  # the networks here are small
  states = {kind: train(workdir / kind, kind) for kind in mesh_lib.SHARDINGS}
  leaves = {k: jax.tree_util.tree_leaves_with_path(s)
            for k, s in states.items()}
  gaps = {}
  for (path, a), (_, b) in zip(*leaves.values(), strict=True):
    a, b = np.asarray(a), np.asarray(b)
    gaps[jax.tree_util.keystr(path)] = float(
        np.abs(a - b).max() / max(np.abs(a).max(), 1e-3))
  held = {k: sum(x.addressable_shards[0].data.size for _, x in s)
          for k, s in leaves.items()}
  print(json.dumps({"devices": jax.device_count(), "gaps": gaps,
                    "held": held}))


if __name__ == "__main__":
  main(*sys.argv[1:])
