r"""Writes a trained run into one file, which load and --model take.

  semseg-jax export --workdir=runs/toy_faces20 --out=toy_faces.safetensors \
      --dtype=float16 --methods=distilled,encoder,inversion

Beside it NAME.json tells how it was made: commands, results, methods and their
scores. Models that the package ships lie in semseg_jax/pretrained_models.
"""

import pathlib

from absl import flags

from semseg_jax import api
from semseg_jax.cli import arguments
from semseg_jax.training import console
from semseg_jax.training import exits
from semseg_jax.training import run_dir


def write(workdir, out, *, dtype: str = "float32", methods=None):
  """Writes the file and its description; see `api.Model.export`."""
  model = api.load(workdir)
  out = pathlib.Path(out).expanduser()
  model.export(out, dtype=dtype, methods=methods)
  made = api.load(out)
  run_dir.write_json(out.with_suffix(".json"), made.record | {
      "methods": made.methods,
      "default_method": made.default_method if made.methods else "",
      "classes": made.class_names, "size": made.config.data.size,
      "dtype": dtype, "bytes": out.stat().st_size, "export": " ".join([
          "semseg-jax export", f"--workdir={workdir}", f"--out={out.name}",
          f"--dtype={dtype}",
          *([f"--methods={','.join(methods)}"] if methods else [])])})
  print(f"{out}: {out.stat().st_size / 1e6:.2f} MB; methods "
        f"{', '.join(made.methods) or 'none: a generator of images'}")


def define_flags():
  """See --help."""
  flags.DEFINE_string("workdir", None, "Folder of the trained run.")
  flags.DEFINE_string("out", None, "File, ending in .safetensors.")
  flags.DEFINE_enum("dtype", "float32", ["float32", "float16"],
                    "Of the numbers in the file.")
  flags.DEFINE_list("methods", None, "Those to keep; by default all.")
  arguments.require("workdir", "out")


def main(argv):
  del argv
  given = flags.FLAGS
  console.setup()
  with exits.one_line():
    write(given.workdir, given.out, dtype=given.dtype, methods=given.methods)
