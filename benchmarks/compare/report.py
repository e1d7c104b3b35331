"""Records of measurements, and the page made of them."""

import fcntl
import json
import os
import pathlib
import re

from benchmarks.compare import settings as settings_lib

_HEAD = ("size", "batch", "width", "dtype", "semseg_jax, ms",
         *(f"{side}, ratio" for side in settings_lib.SIDES[1:]),
         "images/s", "GFLOP", "of matmul", "of copy",
         "matmul, GFLOP/s " + " / ".join(settings_lib.SIDES[:3]),
         "compile cold / cached, s", "MiB " + " / ".join(settings_lib.SIDES),
         "gap")


def machine(device: str, about=pathlib.Path("/proc/cpuinfo")) -> str:
  """Name of the kind of machine, not of the machine.

  Of CPUs with the cores and, where it can be read from `about`, the widest
  vectors, on which the ratio of two libraries depends: cpu-2-cores-avx512.
  Where wider ones are hidden (`isa.py`): cpu-2-cores-avx512-as-avx2.
  """
  kind = re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
  if kind != "cpu":
    return kind
  known = set(about.read_text().split()) if about.exists() else ()
  widest = [s for f, s in (("amx_tile", "amx"), ("avx512f", "avx512"),
                           ("avx2", "avx2"), ("asimd", "neon")) if f in known]
  shown = os.environ.get("HIDE_ABOVE")
  return "-".join(
      [kind, str(len(os.sched_getaffinity(0))), "cores", *widest[:1],
       *(("as", shown) if shown else ())])


def add(folder: pathlib.Path, record: dict) -> pathlib.Path:
  """Keeps a record, instead of one of the same settings; makes the page.

  Args:
    folder: benchmarks/results.
    record: as `run.measure` makes it, and the command.

  Returns:
    The page.
  """
  folder.mkdir(parents=True, exist_ok=True)
  name = machine(record["device"])
  path = folder / f"{name}.json"
  descriptor = os.open(folder, os.O_RDONLY)
  try:
    fcntl.flock(descriptor, fcntl.LOCK_EX)  # Others may add theirs.
    return _add(folder, name, path, record)
  finally:
    os.close(descriptor)


def _add(folder, name, path, record):
  records = json.loads(path.read_text()) if path.exists() else []
  whole = lambda r: {"cpu_time": False} | r["settings"]
  records = [r for r in records if whole(r) != whole(record)]
  records.append(record)
  order = settings_lib.CASES.index
  records.sort(key=lambda r: (
      order(r["settings"]["case"]), r["settings"]["size"],
      r["settings"]["batch"], json.dumps(r["settings"])))
  path.write_text(json.dumps(records, indent=1) + "\n")
  page = folder / f"{name}.md"
  page.write_text(markdown(name, records))
  return page


def markdown(name: str, records) -> str:
  """The page: a table for each case."""
  versions = sorted({v for r in records for v in r["versions"]})
  flags = sorted({r["flags"] for r in records})
  text = [
      f"# {name}", "",
      f"{', '.join(versions)}; {'; '.join(flags)}. Medians, and half the "
      "distance of the quartiles; all sides of a row were run in turns. "
      "\"ratio\": their time over semseg_jax's, above 1 where that is faster. "
      "FLOPs and bytes are the compiler's count of its programs; peaks were "
      "measured in the same rounds (a product of square matrices in the row's "
      "type, an array doubled into another). \"gap\": largest difference of "
      "outputs before timing. With `--compiled` no cold compilation is timed, "
      "with `--cpu_time` processor seconds are counted.",
      ""]
  for case in settings_lib.CASES:
    rows = [r for r in records if r["settings"]["case"] == case]
    if not rows:
      continue
    text += [f"## {case}", "", f"`{rows[-1]['command']}`", "",
             "| " + " | ".join(_HEAD) + " |", "|---" * len(_HEAD) + "|"]
    text += ["| " + " | ".join(_cells(r)) + " |" for r in rows]
    notes = sorted({f"* {n}" for r in rows for n in r["notes"]})
    text += ["", *notes, ""] if notes else [""]
    for r in rows:
      text += _profile(r)
  return "\n".join(text)


def line(r) -> dict:
  """What a record says, flat: times, ratios, shares of the peaks, memory."""
  own = r["seconds"]["ours"]["median"]
  others = {k: t["median"] / own for k, t in r["seconds"].items()
            if k != "ours"}
  return {
      "ms": 1e3 * own, "images_per_second": r["work"] / own,
      **{f"{k}_ratio": others.get(k) for k in ("original", "best")},
      "of_product": r["of_matmul"], "of_copy": r["of_copy"],
      "compile_s": sum(t for t in r["compile"][0].values() if t),
      **{f"{k}_mib": r["memory"].get(k) for k in ("ours", "original", "best")},
      "gap": r["gap"], "notes": "; ".join(r["notes"]),
      "kinds": ", ".join(f"{k} {t * 1e3:.1f} ms" for k, t in (
          r["profile"]["kinds"] if r.get("profile") else ())),
      "longest": "; ".join(
          f"{scope} {kind} {time * 1e3:.1f} ms" for _, scope, kind, _, _, time
          in (r["profile"]["longest"][:5] if r.get("profile") else ()))}


def _cells(r):
  s, times = r["settings"], r["seconds"]
  own = times["ours"]
  share = lambda x: "" if x is None else f"{x:.0%}"
  cold, cached = (
      "-" if None in x.values() else f"{sum(x.values()):.1f}"
      for x in r["compile"])
  return [
      str(s["size"]), str(s["batch"]), str(s["width"]), s["dtype"],
      f"{own['median'] * 1e3:.1f} ± {own['spread']:.0%}",
      *(f"{times[side]['median'] / own['median']:.2f} ± "
        f"{times[side]['spread']:.0%}" if side in times else "-"
        for side in settings_lib.SIDES[1:]),
      f"{r['work'] / own['median']:.2f}",
      f"{r['flops'] / 1e9:.2f}" if r["flops"] else "",
      share(r["of_matmul"]), share(r["of_copy"]),
      " / ".join(f"{r['peaks'][side]['matmul'] / 1e9:.0f}"
                 if side in r["peaks"] else "-"
                 for side in settings_lib.SIDES[:3]),
      f"{cold} / {cached}",
      " / ".join(f"{r['memory'][side]:.0f}" if side in r["memory"] else "-"
                 for side in settings_lib.SIDES),
      f"{r['gap']:.1g}"]


def _profile(r) -> list[str]:
  """Where the time goes: a line of kinds, a table of the longest scopes."""
  profile = r.get("profile")
  if profile and profile.get("kernels"):
    return _kernels(r["settings"], profile)
  if not profile or not profile["kinds"]:
    return []
  s, total = r["settings"], sum(t for _, t in profile["kinds"])
  kinds = ", ".join(f"{k} {t / total:.0%}" for k, t in profile["kinds"])
  return [
      f"Where semseg_jax takes its time ({s['size']} px, batch {s['batch']}, "
      f"width {s['width']}): {kinds}. The scopes that take most:", "",
      "| program | scope | kind | operations | result of the longest | ms "
      "| share |", "|---|---|---|---|---|---|---|",
      *(f"| {' | '.join(map(str, row))} | {time * 1e3:.1f} | "
        f"{time / total:.1%} |" for *row, time in profile["longest"]), ""]


def _kernels(s, profile) -> list[str]:
  """The same on an accelerator, by kernels."""
  return [
      f"Kernels of one run ({s['size']} px, batch {s['batch']}, {s['dtype']}): "
      f"{profile['launches']} launches, {1e3 * profile['busy']:.2f} ms in all. "
      "The longest:", "", "| kernel | launches | ms |", "|---|---|---|",
      *(f"| {name[:72]} | {launches} | {1e3 * time:.2f} |"
        for name, launches, time in profile["kernels"][:12]), ""]
