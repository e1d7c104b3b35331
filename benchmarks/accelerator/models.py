"""Trains the published models for the time that is left; checkpoints go out.

The runner's SIGTERM lets the training save; then the newest checkpoints and
records are packed into OUT/models.tar.00 and so on, files of at most 15 MiB:
`cat models.tar.* | tar x` gives the run's folders back.
"""

import argparse
import json
import pathlib
import signal
import subprocess
import sys
import tarfile

_PIECE, _MOST = 15 * 2 ** 20, 4


def newest(runs: pathlib.Path) -> list[pathlib.Path]:
  """Files of all runs without older checkpoints."""
  files = []
  for path in sorted(p for p in runs.rglob("*") if p.is_file()):
    parts = path.relative_to(runs).parts
    if "ckpt" in parts:
      at = parts.index("ckpt")
      folder = runs.joinpath(*parts[:at + 1])
      steps = [int(x.name) for x in folder.iterdir() if x.name.isdigit()]
      if steps and parts[at + 1] != str(max(steps)):
        continue
    files.append(path)
  return files


def pack(runs: pathlib.Path, out: pathlib.Path) -> dict:
  """Writes the pieces; what of it there is room for."""
  whole = out / "models.tar"
  with tarfile.open(whole, "w") as tar:
    for path in newest(runs):
      tar.add(path, path.relative_to(runs))
  size, pieces = whole.stat().st_size, 0
  with whole.open("rb") as f:
    while (piece := f.read(_PIECE)) and pieces < _MOST:
      (out / f"models.tar.{pieces:02d}").write_bytes(piece)
      pieces += 1
  whole.unlink()
  return {"mib": size / 2 ** 20, "pieces": pieces,
          "complete": size <= _MOST * _PIECE}


def main():
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--out", required=True, type=pathlib.Path)
  parser.add_argument("--data", default="data", type=pathlib.Path)
  parser.add_argument("--runs", default="runs/accelerator", type=pathlib.Path)
  given = parser.parse_args()
  runs = given.runs
  models = ["toy_faces", *(x for x in ("chest_xray", "skin_lesion")
                           if (given.data / x).exists())]
  process = subprocess.Popen(
      [sys.executable, "-m", "semseg_jax", "train_models", f"--runs={runs}",
       f"--data={given.data}", f"--models={','.join(models)}"],
      stdout=sys.stderr)
  # The training gets the signal too, as it is of the same group, and saves.
  signal.signal(signal.SIGTERM, lambda *_: None)
  code = process.wait()
  log = runs / "LOG.md"
  print(json.dumps({
      "models": " ".join(models), "ended_with": code,
      "finished": log.read_text().strip() if log.exists() else "",
      **pack(runs, given.out)}), flush=True)


if __name__ == "__main__":
  main()
