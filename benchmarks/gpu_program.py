r"""What XLA makes of a config's programs on a GPU, without having one.

  pip install "jax[cuda13]"
  JAX_PLATFORMS=cpu python -m benchmarks.gpu_program --stage=gan \
      --config=configs/semantic_gan/chest_xray.py:labels=0,cpu

Compiles the phases of stages (and "inversion") for an H200 that is only
described. Nothing is timed and no algorithm tried, but the program tells what
will be slow: a convolution whose kernel is as large as a map is a gradient that
cuDNN was not asked for as one, grouped convolutions have no fast kernels in
float32, and each launch takes some microseconds whatever it computes. Prints
for every phase the launches, cuDNN's calls by kind, and those convolutions.
"""

import collections
import os
import re

from absl import app
from absl import flags
import jax
from jax.experimental import topologies
from ml_collections import config_flags

from semseg_jax.cpu import target
from semseg_jax.evaluation import tables
from semseg_jax.planning import programs
from semseg_jax.training import mesh as mesh_lib

# What the compiler asks a device for, of an H200.
_H200 = """
gpu_device_info {
  threads_per_block_limit: 1024 threads_per_warp: 32
  shared_memory_per_block: 49152 shared_memory_per_core: 233472
  threads_per_core_limit: 2048 core_count: 132 fpus_per_core: 128
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535
  block_dim_limit_z: 65535 memory_bandwidth: 4800000000000
  l2_cache_size: 62914560 clock_rate_ghz: 1.98
  device_memory_size: 150000000000 shared_memory_per_block_optin: 232448
  cuda_compute_capability { major: 9 minor: 0 }
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 8 }
device_description_str: "NVIDIA H200"
"""
_LARGEST = 7  # Side of a network's own kernels.
_LAUNCHES = re.compile(
    r"^ *(?:ROOT )?%\S+ = .*? (?:fusion|custom-call|copy|sort|reduce)\(",
    re.MULTILINE)


def calls(text: str):
  """({kind of cuDNN's call: count}, [suspicious calls]) of a program's text.

  A suspicious call is (why, scope, its result, its window).
  """
  kinds, suspicious = collections.Counter(), []
  for line in text.splitlines():
    call = re.search(r'custom_call_target="__cudnn\$([^"]+)"', line)
    if not call:
      continue
    kinds[call[1]] += 1
    find = lambda pattern, line=line: (
        re.search(pattern, line) or [None, ""])[1]
    window = find(r"window=\{([^}]*)\}")
    sides = [int(x) for x in find(r"window=\{size=(\d+(?:x\d+)*)").split("x")
             if x]
    grouped = find(r"feature_group_count=(\d+)")
    why = ("kernel as large as a map" if max(sides, default=0) > _LARGEST else
           f"{grouped} groups" if grouped not in ("", "1") else "")
    if why:
      suspicious.append((why, find(r'op_name="([^"]*)"')[-70:],
                         find(r"= \(?(\w+\[[\d,]*\])"), window))
  return kinds, suspicious


def show(listing):
  """Compiles programs and prints what they consist of."""
  for program in listing:
    text = program.lower().compile().as_text()
    kinds, suspicious = calls(text)
    print(f"\n{program.stage}, {program.phase}: "
          f"{len(_LAUNCHES.findall(text))} launches or less; "
          + ", ".join(f"{v} {k}" for k, v in kinds.most_common()), flush=True)
    if suspicious:
      print(tables.text([
          dict(zip(("Times", "What", "Scope", "Result", "Window"),
                   (times, *call), strict=True))
          for call, times in collections.Counter(suspicious).most_common()]))


def main(argv):
  if len(argv) > 1:
    raise app.UsageError(f"unknown argument {argv[1]!r}")
  topology = topologies.get_topology_desc(
      "H200", "cuda", topology="1x1x1", target_config=_H200)
  config = programs.blank(flags.FLAGS.config)
  mesh = mesh_lib.make(list(topology.devices))
  with target.compiling_for("gpu"):
    for name in flags.FLAGS.stage or config.stages:
      show(programs.inversion(config, mesh) if name == "inversion" else
           programs.training(config, name, mesh))


def define_flags():
  """Not on import: tests import several commands."""
  config_flags.DEFINE_config_file("config", None, "Any config.")
  flags.DEFINE_list(
      "stage", [], 'Stages, or "inversion"; empty: the config\'s.')


if __name__ == "__main__":
  define_flags()
  # The plugin looks for a driver, which compiling does not need.
  os.environ.setdefault("JAX_SKIP_CUDA_CONSTRAINTS_CHECK", "1")
  jax.config.update("jax_platforms", "cpu")
  app.run(main)
