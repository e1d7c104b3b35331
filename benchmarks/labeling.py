"""Labels many images with a tiny model: is it flat, does it resume?

  python -m benchmarks.labeling --images=10000 --folder=/tmp/labeling

Writes images of 24 to 40 px (1000 different ones, linked) and a run of an
untrained U-Net, labels a shard of them in a process that is killed in the
middle, goes on in another, and prints every 1000 images the images a second and
the process's memory. At the end every image has to be in the file once.
"""

import argparse
import collections
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import time

from semseg_jax.cpu import startup

_EVERY = 1000


def make(folder, count: int):
  """Images, a list of them, and the run."""
  import jax
  import numpy as np
  from PIL import Image

  from configs.semisup import scenes
  from semseg_jax import dataset_facts
  from semseg_jax import stages
  from semseg_jax.training import checkpoint
  from semseg_jax.training import run_dir

  rng = np.random.default_rng(0)
  (folder / "images").mkdir(parents=True)
  for i in range(count):
    path = folder / f"images/{i:07}.png"
    if i < 1000:
      shape = (*rng.integers(24, 41, 2), 3)
      Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(path)
    else:
      os.link(folder / f"images/{i % 1000:07}.png", path)
  config = scenes.get_config("labels=8,smoke")
  config.stages = ("supervised",)
  config.segmenter.update(network="unet")
  config.supervised.update(width=2, levels=1)
  config.evaluation.batch_size = 32
  stage = stages.make(config, folder / "run", "supervised")
  with checkpoint.Checkpoints(folder / "run/supervised/ckpt") as checkpoints:
    checkpoints.save(1, jax.jit(lambda key: stage.init(key, {}))(
        jax.random.key(0)), {}, 0.5)
  run_dir.describe(folder / "run", json.loads(config.to_json_best_effort()),
                   dataset_facts.of(config))


def work(folder):
  """Labels all images; a JSON line every `_EVERY` of this process."""
  from semseg_jax import api
  from semseg_jax.cli import label

  model = api.load(folder / "run")
  segment, done, last = model.segment, 0, time.monotonic()

  def watched(images, *args, **kwargs):
    nonlocal done, last
    result = segment(images, *args, **kwargs)
    done += len(images)
    if done // _EVERY > (done - len(images)) // _EVERY:
      now = time.monotonic()
      pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
      print(json.dumps({
          "images": done, "images/s": round(_EVERY / (now - last), 1),
          "MB": round(pages * resource.getpagesize() / 2**20),
          "cpu s": round(time.process_time(), 1)}), flush=True)
      last = now
    return result

  model.segment = watched
  label.label(model, images=str(folder / "images"), out=str(folder / "out"),
              files=())


def main():
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--images", type=int, default=10_000)
  parser.add_argument("--folder", type=pathlib.Path, required=True)
  parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
  given = parser.parse_args()
  startup.setup()
  if given.work:
    work(given.folder)
    return
  make(given.folder, given.images)
  command = (sys.executable, "-m", "benchmarks.labeling", "--work",
             f"--folder={given.folder}")
  print("first process, killed in the middle:")
  first = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
  for line in first.stdout:
    print(line, end="", flush=True)
    if json.loads(line)["images"] > given.images // 2:
      first.send_signal(signal.SIGKILL)
      break
  first.wait()
  print("second process:")
  subprocess.run(command, check=True)

  from semseg_jax.evaluation import labels
  times = collections.Counter(
      name for name, *_ in labels.read(given.folder / "out" /
                                       labels.shard_name(0, 1)))
  assert len(times) == given.images, len(times)
  assert set(times.values()) == {1}
  print(f"{len(times)} images labeled, each once")


if __name__ == "__main__":
  main()
