"""Golden checks of the optimizers: Ranger alone and two taking turns."""

import re

import cases
import jax
import jax.numpy as jnp
import numpy as np
import optax

from semseg_jax.training import optimizers

# Constructor arguments of the original -> arguments here.
_NAMES = {
    "lr": "learning_rate",
    "alpha": "lookahead_rate",
    "k": "lookahead_steps",
    "N_sma_threshhold": "threshold",
    "betas": "betas",
    "eps": "eps",
    "weight_decay": "weight_decay",
    "use_gc": "centralize",
    "gc_loc": "centralize_first",
    "gc_conv_only": "convolutions_only",
}
_OPTIMIZERS = {"one": 1, "two": 2}


def ranger(case):
  arguments = {
      _NAMES[k]: tuple(v) if isinstance(v, list) else v
      for k, v in case.manifest["arguments"].items()}
  # The recorded tensors are in PyTorch's layout: output axis first.
  tx = optimizers.ranger(**arguments, output_axis=0)
  inputs = case.inputs
  names = sorted(k[:-len("_init")] for k in inputs if k.endswith("_init"))
  start = {n: jnp.asarray(inputs[f"{n}_init"]) for n in names}

  def loss_fn(params):
    return 0.5 * sum(
        jnp.sum(inputs[f"{n}_curv"] * (params[n] - inputs[f"{n}_target"]) ** 2)
        for n in names)

  @jax.jit
  def step(params, state):
    loss, grads = jax.value_and_grad(loss_fn)(params)
    updates, state = tx.update(grads, state, params)
    return optax.apply_updates(params, updates), state, loss

  for mode in sorted({k.split("/")[0] for k in case.manifest["outputs"]}):
    states = [tx.init(start) for _ in range(_OPTIMIZERS[mode])]
    params, trace = start, []
    for i in range(case.manifest["outputs"][f"{mode}/loss"]["shape"][0]):
      which = i % len(states)
      params, states[which], loss = step(params, states[which])
      trace.append((params, loss))
    scale = case.manifest["outputs"]
    for n in names:
      key = f"{mode}/{n}_steps"
      # 1e-5 absolute; `check` divides by the rms.
      case.check(key, np.stack([np.asarray(p[n]) for p, _ in trace]),
                 1e-5 / scale[key]["rms"])
    key = f"{mode}/loss"
    case.check(key, np.stack([np.asarray(l) for _, l in trace]), 1e-5)


def ranger_optimizer(case):
  """Recorded gradients, whatever the parameters; several learning rates."""
  texts = case.manifest["inputs"]
  start, gradient = texts["start"], texts["gradient of step t (from 0)"]
  start_tag = re.search(r"normal_input\('([^']+)'", start)[1]
  gradient_tag = re.search(r"normal_input\('([^']+)'", gradient)[1]
  numbers = {name: float(value) for name, value in re.findall(
      r"(scale|offset)=([-\d.e]+)", gradient)}
  after = {}  # {learning rate's text: {name: {steps: key}}}
  for key in case.manifest["arrays"]:
    match = re.fullmatch(r"lr([^/]+)/([^/]+)/after(\d+)", key)
    if match:
      names = after.setdefault(match[1], {})
      names.setdefault(match[2], {})[int(match[3])] = key
  for rate, names in after.items():
    tx = optimizers.ranger(float(rate), output_axis=0)
    shapes = {n: case.arrays[next(iter(keys.values()))].shape
              for n, keys in names.items()}
    params = {n: jnp.asarray(cases.normal_input(
        start_tag.replace("<name>", n), shape)) for n, shape in shapes.items()}
    state = tx.init(params)
    step = jax.jit(lambda g, s, p, tx=tx: tx.update(g, s, p))
    for t in range(max(max(keys) for keys in names.values())):
      gradients = {n: cases.normal_input(
          gradient_tag.replace("<name>", n).replace("<t>", str(t)), shape,
          **numbers) for n, shape in shapes.items()}
      updates, state = step(gradients, state, params)
      params = optax.apply_updates(params, updates)
      for n, keys in names.items():
        if t + 1 in keys:
          case.check(keys[t + 1], params[n], 1e-5)
  steps = jnp.arange(1.0, len(case.arrays["rectified_length"]) + 1)
  case.check("rectified_length", optimizers.average_length(steps, 0.999), 1e-5)


CHECKS = {"ranger": ranger, "ranger_optimizer": ranger_optimizer}
