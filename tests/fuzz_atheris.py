"""Coverage-guided fuzzing of the readers, for those who have Atheris.

  pip install atheris
  python tests/fuzz_atheris.py torch|safetensors|mask|ids|config -runs=100000

Any exception but the one that a reader documents is a finding. The tests use
Hypothesis instead (tests/**/fuzz_test.py).
"""

import pathlib
import sys
import tempfile

import atheris

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
with atheris.instrument_imports(include=["semseg_jax", "configs", "pickle"]):
  from configs import common
  from semseg_jax.data import errors
  from semseg_jax.data import id_lists
  from semseg_jax.data import image_files
  from semseg_jax.interop import torch_files

FILE = pathlib.Path(tempfile.mkdtemp()) / "input"


def on_file(read, error):
  def target(data):
    FILE.write_bytes(data)
    try:
      read(FILE)
    except error:
      pass
  return target


def config(data):
  try:
    common.parse_arg(data.decode("utf-8", "replace"), labels=20, rate=0.5,
                     name="", smoke=False)
  except ValueError:
    pass


TARGETS = {
    "torch": on_file(torch_files.load, torch_files.TorchFileError),
    "safetensors": on_file(
        torch_files.load_safetensors, torch_files.TorchFileError),
    "mask": on_file(lambda path: image_files.decode_mask(
        image_files.read_bytes(path), "input"), errors.DataError),
    "ids": on_file(id_lists.read, errors.DataError),
    "config": config,
}

if __name__ == "__main__":
  name = sys.argv.pop(1)
  atheris.Setup(sys.argv, TARGETS[name])
  atheris.Fuzz()
