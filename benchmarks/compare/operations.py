"""Where a program's time goes: its operations as the profiler saw them."""

import collections
import pathlib
import re
import tempfile
from typing import NamedTuple

import jax
from jax import profiler

# Of an operation, or of all that were fused into it: the first that fits.
_KINDS = (
    ("convolutions", {"convolution"}), ("products", {"dot"}),
    ("sums", {"reduce", "reduce-window", "select-and-scatter"}),
    ("gathers", {"gather", "scatter", "sort"}),
    ("collectives", {"all-reduce", "all-gather", "reduce-scatter",
                     "all-to-all", "collective-permute"}))
_MOVES = {"copy", "transpose", "reshape", "bitcast", "broadcast", "slice",
          "pad", "concatenate", "dynamic-slice", "dynamic-update-slice",
          "reverse", "convert", "parameter", "constant", "iota", "tuple",
          "get-tuple-element"}
_CALLS = {"convolution": "conv_general_dilated", "dot": "dot_general"}
# They last as long as what they hold, which is listed itself.
_HOLDERS = {"while", "conditional", "call"}
_LINE = re.compile(
    r"^\s*(?:ROOT )?%(?P<name>[\w.-]+) = (?P<type>.*?) (?P<op>[a-z][\w-]*)\(")
_CALLED = re.compile(r"(?:calls|to_apply)=%([\w.-]+)")
_SOURCE = re.compile(r'op_name="([^"]*)"')
_WRAPPED = re.compile(r"^(?:jit|jvp|transpose|vmap|checkpoint|remat)\(")


def described(text: str) -> dict[str, tuple[str, str, str]]:
  """{operation: (its kind, type of its result, name of the source's scope)}.

  Args:
    text: a compiled program, `jax.stages.Compiled.as_text()`.
  """
  operations, inside, body = [], collections.defaultdict(set), ""
  for line in text.splitlines():
    if line.endswith("{") and not line.startswith((" ", "HloModule")):
      body = line.removeprefix("ENTRY ").split()[0].lstrip("%")
    elif match := _LINE.match(line):
      name, kind, op = match.group("name", "type", "op")
      called = _CALLED.search(line)
      source = _SOURCE.search(line)
      inside[body].add(op)
      operations.append((name, op, re.sub(r"\{[^}]*\}", "", kind),
                         called and called[1], source[1] if source else ""))
  known = {}
  for name, op, result, called, source in operations:
    if op not in _HOLDERS:
      ops = inside[called] if op in ("fusion", "custom-call") and called else {
          op}
      if op == "custom-call":  # Of cuDNN or cuBLAS: what asked for it.
        ops = ops | {x for x, of in _CALLS.items() if of in source}
      known[name] = (_kind(ops), result, _scope(source))
  return known


def _kind(ops: set[str]) -> str:
  for kind, of_kind in _KINDS:
    if ops & of_kind:
      return kind
  return "copies" if ops <= _MOVES else "elementwise"


def _scope(source: str) -> str:
  """The last two names of a scope, marked where a gradient takes it back."""
  parts = [p for p in source.split("/") if p and not _WRAPPED.match(p)]
  back = ", backward" if "transpose(" in source else ""
  return "/".join(parts[-2:]) + back


class Spent(NamedTuple):
  """Seconds of one call of a function.

  Attributes:
    operations: {(module, operation): seconds}.
    kernels: {name: (seconds, launches)} of an accelerator; empty on CPU.
  """
  operations: dict[tuple[str, str], float]
  kernels: dict[str, tuple[float, int]]


def seconds(run) -> Spent:
  """What the profiler sees of one call of `run`."""
  total, kernels = collections.Counter(), {}
  with tempfile.TemporaryDirectory() as folder:
    with profiler.trace(folder):
      jax.block_until_ready(run())
    for path in pathlib.Path(folder).rglob("*.xplane.pb"):
      for plane in profiler.ProfileData.from_file(str(path)).planes:
        for line in plane.lines:
          for event in line.events:
            stats = dict(event.stats)
            if plane.name.startswith("/device:") and (
                line.name.startswith("Stream")):
              time, launches = kernels.get(event.name, (0.0, 0))
              kernels[event.name] = (
                  time + event.duration_ns / 1e9, launches + 1)
            if "hlo_op" in stats:
              key = str(stats["hlo_module"]), str(stats["hlo_op"])
              total[key] += event.duration_ns / 1e9
  return Spent(total, kernels)


def table(run, programs, longest: int = 12) -> dict[str, list]:
  """Time by kind of operation, and the scopes that take the longest.

  Args:
    run: runs the compiled `programs`, whose modules have different names.
    programs: {name: compiled}.
    longest: how many scopes to list.

  Returns:
    "kinds": [kind, seconds]; "longest": [program, scope in the source, kind,
    operations, result of the longest of them, seconds]; "kernels": [name,
    launches, seconds], of accelerators; all with the longest first. Empty where
    the profiler names none.

  Raises:
    ValueError: modules share a name, so that their operations cannot be told
      apart.
  """
  modules = {}
  for name, compiled in programs.items():
    text = compiled.as_text()
    module = re.match(r"HloModule ([\w.-]+)", text)[1]
    if module in modules:
      raise ValueError(f"{name!r} and {modules[module][0]!r} are both {module}")
    modules[module] = (name, described(text))
  kinds, scopes = collections.Counter(), collections.defaultdict(list)
  spent = seconds(run)
  for (module, op), time in spent.operations.items():
    name, known = modules.get(module, (module, {}))
    if op not in known:
      continue  # A holder, or a program that is not asked about.
    kind, result, scope = known[op]
    kinds[kind] += time
    scopes[name, scope, kind].append((time, result))
  rows = [[*key, len(runs), max(runs)[1], sum(t for t, _ in runs)]
          for key, runs in scopes.items()]
  rows.sort(key=lambda row: -row[-1])
  kernels = [[k, n, t] for k, (t, n) in spent.kernels.items()]
  kernels.sort(key=lambda row: -row[-1])
  return {"kinds": [list(x) for x in kinds.most_common()],
          "longest": rows[:longest], "kernels": kernels[:2 * longest],
          "launches": sum(n for _, n, _ in kernels),
          "busy": sum(t for _, _, t in kernels)}
