r"""EfficientNet-Lite0: forward and backward passes against PyTorch's, on CPU.

  python -m benchmarks.efficientnet --torch_python=.venv-torch/bin/python

The other network is that of the package efficientnet-lite-pytorch, in an
environment of its own (pip install torch numpy efficientnet-lite-pytorch), in
contiguous and in channels-last layout. Each network runs in a process of its
own; the processes take turns, so that a busy machine favours none. With
--cpu_time processor seconds are counted, which other work disturbs less: then
set --threads=1, as threads that wait are counted as well.
"""

import json
import os
import subprocess
import sys

_PASSES = ("forward", "forward, gradient of the image",
           "forward, all gradients")


def jax_runs(size, batch):
  """Pass -> function that runs it, and the words for compile time."""
  import jax
  import jax.numpy as jnp

  from semseg_jax.models import efficientnet_lite

  module = efficientnet_lite.EfficientNetLite()
  image = jax.random.normal(jax.random.key(0), (batch, size, size, 3))
  variables = jax.jit(module.init)(jax.random.key(1), image)

  def total(params, image):
    return jnp.sum(module.apply({**variables, "params": params}, image)[0])

  functions = (total, jax.grad(total, 1), jax.grad(total, (0, 1)))
  params = variables["params"]
  runs = {}
  for name, function in zip(_PASSES, functions, strict=True):
    compiled = jax.jit(function).lower(params, image).compile()
    runs[name] = lambda f=compiled: jax.block_until_ready(f(params, image))
  return runs


def torch_runs(size, batch, layout):
  """The same in PyTorch; `layout` is "contiguous" or "channels_last"."""
  import efficientnet_lite_pytorch
  import torch

  torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
  memory = {"contiguous": torch.contiguous_format,
            "channels_last": torch.channels_last}[layout]
  model = efficientnet_lite_pytorch.EfficientNet.from_name(
      "efficientnet-lite0", image_size=size, drop_connect_rate=0.0)
  model = model.eval().to(memory_format=memory)
  image = torch.randn(batch, 3, size, size).to(memory_format=memory)

  def run(name):
    for parameter in model.parameters():
      parameter.requires_grad_(name == _PASSES[2])
    inputs = image.clone().requires_grad_(name != _PASSES[0])
    with torch.set_grad_enabled(name != _PASSES[0]):
      total = model.extract_features(inputs).sum()
    if name != _PASSES[0]:
      total.backward()

  return {name: lambda n=name: run(n) for name in _PASSES}


def work(kind, size, batch, clock):
  """Answers every line with a pass's number by the seconds that it takes."""
  import time

  clock = getattr(time, clock)
  runs = list((jax_runs(size, batch) if kind == "jax" else
               torch_runs(size, batch, kind)).values())
  for run in runs * 2:
    run()
  print("ready", flush=True)
  for line in sys.stdin:
    start = clock()
    runs[int(line)]()
    print(json.dumps(clock() - start), flush=True)


def main(argv):
  from benchmarks import timing

  kinds = {"jax": sys.executable, "contiguous": _TORCH.value,
           "channels_last": _TORCH.value}
  clock = "process_time" if _CPU_TIME.value else "perf_counter"
  threads = str(_THREADS.value)
  environment = {
      **os.environ, "OMP_NUM_THREADS": threads, "JAX_PLATFORMS": "cpu"}
  cores = ",".join(map(str, range(_THREADS.value)))
  print(f"{threads} threads, batches of {_BATCH.value}, {clock}\n")
  print("| size | pass | ours, ms | contiguous | channels last | best / ours |")
  print("|---|---|---|---|---|---|")
  for size in map(int, _SIZES.value):
    workers = {}
    for kind, python in kinds.items():
      workers[kind] = subprocess.Popen(
          ["taskset", "-c", cores, python, __file__, kind, str(size),
           str(_BATCH.value), clock], env=environment, text=True, bufsize=1,
          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
          stderr=subprocess.DEVNULL)
      if workers[kind].stdout.readline() != "ready\n":
        raise SystemExit(f"{kind}: {python} cannot run it")

    def ask(kind, index, workers=workers):
      workers[kind].stdin.write(f"{index}\n")
      return json.loads(workers[kind].stdout.readline())

    for index, name in enumerate(_PASSES):
      times = timing.interleave(
          {kind: lambda k=kind, i=index: ask(k, i) for kind in kinds},
          _ROUNDS.value, clock=lambda run: run())
      ms = {kind: 1e3 * times[kind].median for kind in kinds}
      ratio = min(ms["contiguous"], ms["channels_last"]) / ms["jax"]
      print(f"| {size} | {name} | " + " | ".join(
          f"{ms[kind]:.1f}" for kind in kinds) + f" | {ratio:.2f} |",
          flush=True)
    for worker in workers.values():
      worker.stdin.close()
      worker.wait()


if __name__ == "__main__" and len(sys.argv) == 5 and not (
    sys.argv[1].startswith("-")):
  sys.path.insert(0, os.path.dirname(os.path.dirname(
      os.path.abspath(__file__))))
  if sys.argv[1] == "jax":
    from semseg_jax.cpu import startup
    startup.apply()
  work(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
elif __name__ == "__main__":
  from absl import app
  from absl import flags

  _TORCH = flags.DEFINE_string(
      "torch_python", ".venv-torch/bin/python", "Python that has PyTorch.")
  _SIZES = flags.DEFINE_list("sizes", ["64", "128"], "Sides of the images.")
  _BATCH = flags.DEFINE_integer("batch", 8, "Images.")
  _ROUNDS = flags.DEFINE_integer("rounds", 15, "Counted runs of each pass.")
  _THREADS = flags.DEFINE_integer("threads", os.cpu_count(), "Of each network.")
  _CPU_TIME = flags.DEFINE_bool("cpu_time", False, "Processor seconds.")
  app.run(main)
