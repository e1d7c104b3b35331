"""Small tables, and folders as their finished runs would leave them."""

import json
import pathlib
import subprocess
import sys

from semseg_jax.evaluation import record as records
from semseg_jax.tables import definition
from semseg_jax.tables import runs

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOY_FACES = "configs/semantic_gan/toy_faces.py"


def table(**changes):
  return definition.parse("toy", dict(
      title="Toy", data=False, seeds=(0,),
      columns=[dict(name=str(k), arguments={"labels": k}) for k in (5, 10)],
      rows=[dict(name="U-Net", config=TOY_FACES, method="supervised",
                 overrides={"stages": ("supervised",)})]) | changes)


def faces():
  """A table that reads files: images and converted weights."""
  return table(
      data=True, seeds=(0, 1),
      columns=[dict(name=str(k), arguments={"labels": k})
               for k in (30, 150, 1500)],
      rows=[dict(name="Ours", method="inversion",
                 config="configs/semantic_gan/celebamask_hq.py",
                 files={"perceptual.weights": "lpips_vgg.safetensors"}),
            dict(name="none", config="configs/nobody/set.py", method="x")])


def folders(root, **changes):
  return runs.Folders(root, **changes)


def finish(finished, where, *, train=True, evaluate=True, score=0.5):
  """Leaves what a finished run of each of a table's runs would leave."""
  for job in runs.jobs([finished]):
    plain = runs.plain_config(job.run, where, finished)
    folder = where.root / job.run.folder
    stages = job.stages or plain["stages"]
    for stage in stages if train else ():
      (folder / stage).mkdir(parents=True, exist_ok=True)
      (folder / stage / "DONE").write_text(
          json.dumps({"step": plain.get(stage, {}).get("steps", 0)}))
    for split in job.splits if evaluate else ():
      records.save(folder / "eval" / split, records.make(
          {"supervised": {"miou": score}}, config=plain, split=split,
          seconds=1.0))


def run(*arguments):
  return subprocess.run(
      (sys.executable, "-m", "semseg_jax", "table", *arguments),
      cwd=ROOT, capture_output=True, text=True, check=False)
