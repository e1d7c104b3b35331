"""Stored figures of compiled programs: one compilation per program and chip."""

import hashlib
import importlib.metadata
import json

from etils import epath

from semseg_jax.planning import estimate


def cost(program, topology: str, folder) -> estimate.Cost:
  """The figures of a `programs.Program`; read where it was compiled before.

  Args:
    program: from `programs`.
    topology: what it is compiled for, such as "v5e:2x2".
    folder: holds a JSON file for each program, named by its text, the topology,
      the compiler's version and what is kept of it.
  """
  lowered = program.lower()
  key = hashlib.sha256("\n".join((
      topology, *estimate.Cost._fields, importlib.metadata.version("jaxlib"),
      importlib.metadata.version("libtpu"), lowered.as_text())).encode())
  path = epath.Path(folder) / f"{key.hexdigest()[:32]}.json"
  if path.exists():
    return estimate.Cost(**json.loads(path.read_text()))
  figures = estimate.of(lowered)
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(json.dumps(figures._asdict()) + "\n")
  return figures
