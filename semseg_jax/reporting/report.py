"""One page about a run: report.html, readable without a network.

Everything in it is in the run's folder; images, charts, style and script are
inside the file.
"""

import datetime
import re

from etils import epath
import jinja2
import numpy as np

from semseg_jax.evaluation import figures
from semseg_jax.evaluation import tables
from semseg_jax.reporting import charts
from semseg_jax.reporting import embedded
from semseg_jax.reporting import run_folder
from semseg_jax.training import run_dir

FILE = "report.html"
_SAMPLE_STEPS = 6  # Sample grids of each kind that are kept in the page.
_SAMPLE_SIDE = 1024


def write(workdir) -> epath.Path:
  """Writes workdir/report.html, whole or not at all; returns its path.

  Raises:
    FileNotFoundError: the folder holds no run.
  """
  run = run_folder.read(workdir)
  path = run.folder / FILE
  run_dir.write_bytes(path, render(run).encode())
  return path


def render(run: run_folder.Run) -> str:
  """The page's HTML."""
  environment = jinja2.Environment(
      loader=jinja2.PackageLoader("semseg_jax.reporting"), autoescape=True,
      undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
  environment.filters |= {
      "percent": _percent, "flat": _flat, "duration": _duration,
      "count": lambda x: f"{x:,}"}
  methods = _methods(run)
  data = run.config.get("data", {})
  return environment.get_template("report.html").render(
      run=run, config=run.config, data=data,
      now=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
      methods=methods, headings=tables.SCORES,
      splits=[_split(split, methods) | {
          "out": split.record.split in data.get("out_of_domain", ())}
              for split in run.splits],
      confidence=_confidence(run),
      stages=[_stage(stage) for stage in run.stages],
      joint=next((s.record.extra["joint_model"] for s in run.splits
                  if s.record.extra.get("joint_model")), None),
      versions=_versions(run))


def _methods(run):
  """Names of all methods: stages in their order, then others; 50 before 100."""
  names = {name for split in run.splits for name in split.record.methods}
  stages = list(run.config.get("stages", ()))
  padded = lambda name: re.sub(r"\d+", lambda n: n[0].zfill(12), name)
  return sorted(names, key=lambda name: (
      stages.index(name) if name in stages else len(stages), padded(name)))


def _split(split, methods):
  """What the page shows of a split; `methods` gives their order."""
  scores = {m: split.record.methods[m]
            for m in methods if m in split.record.methods}
  return {
      "name": split.name,
      "methods": scores,
      "best": max((m["miou"] for m in scores.values()
                   if m.get("miou") is not None), default=None),
      "classes": list(split.cases.classes) if split.cases else list(
          dict.fromkeys(name for m in scores.values()
                        for name in m.get("per_class_iou", ()))),
      "colors": ({} if split.cases is None else {
          name: "#" + bytes(color).hex() for name, color in zip(
              split.cases.classes, split.cases.colors, strict=True)}),
      "cases": [] if split.cases is None else [
          _case(split, i, reasons)
          for i, reasons in split.cases.shown.items()],
      "roc": (embedded.svg(charts.lines(
          split.roc, across="false positive rate")) if split.roc else ""),
  }


def _case(split, i, reasons):
  """An image of a split with what each method made of it."""
  cases = split.cases
  truth = figures.read(split.folder / "cases" / f"{i}_truth.png")
  case = {
      "id": cases.ids[i], "reasons": reasons,
      "image": embedded.photo(
          figures.read(split.folder / "cases" / f"{i}_image.png")),
      "truth": embedded.label(truth, cases.colors,
                              ignore_index=cases.ignore_index),
      "small": max(truth.shape) < 200, "methods": {}}
  for name, method in cases.methods.items():
    start = split.folder / "predictions" / method.files[i]
    predicted = figures.read(f"{start}_index.png")
    reconstruction = epath.Path(f"{start}_reconstruction.png")
    case["methods"][name] = {
        "quality": method.quality[i],
        "accuracy": method.accuracy[i],
        "confidence": (None if method.confidence is None
                       else method.confidence[i]),
        "label": embedded.label(predicted, cases.colors),
        "errors": embedded.errors(
            truth, predicted, ignore_index=cases.ignore_index),
        "reconstruction": (embedded.photo(figures.read(reconstruction))
                           if reconstruction.exists() else "")}
  return case


def _confidence(run):
  """A chart for each method that states a confidence, all splits in it."""
  shown = []
  for name in _methods(run):
    points, rows = {}, []
    for split in run.splits:
      method = split.cases.methods.get(name) if split.cases else None
      if method is None or method.confidence is None:
        continue
      known = np.isfinite(method.confidence) & np.isfinite(method.accuracy)
      if known.any():
        points[split.name] = (method.confidence[known],
                              100 * method.accuracy[known])
        rows.append((split.name, split.record.methods[name]["confidence"]))
    if points:
      shown.append({
          "method": name, "rows": rows,
          "chart": embedded.svg(charts.scatter(
              points, across="confidence", up="pixel accuracy, %"))})
  return shown


def _stage(stage):
  """What the page shows of a stage."""
  last = stage.metrics[-1] if stage.metrics else {}
  return {
      "name": stage.name,
      "state": (f"of {stage.adopted}" if stage.adopted else "finished"
                if stage.done is not None else "not finished"),
      "steps": stage.done if stage.done is not None else last.get("step", 0),
      "seconds": last.get("seconds"),
      "compiled": sum(x["seconds"] for x in stage.compiled.values()),
      "overrides": stage.overrides,
      "curves": {
          (f"{group}/{next(iter(curves))}" if len(curves) == 1 else group):
          embedded.svg(charts.lines(curves))
          for group, curves in charts.groups(stage.metrics).items()},
      "last": {name: value for name, value in last.items()
               if name not in ("step", "seconds")},
      "samples": {
          name: [{"step": step, "image": embedded.photo(
              figures.read(path), side=_SAMPLE_SIDE)}
                 for step, path in _spread(files)]
          for name, files in stage.samples.items()}}


def _spread(files):
  """At most _SAMPLE_STEPS of them, evenly spaced, the last among them."""
  if len(files) <= _SAMPLE_STEPS:
    return files
  numbers = np.linspace(0, len(files) - 1, _SAMPLE_STEPS).round().astype(int)
  return [files[i] for i in numbers]


def _versions(run):
  """name -> {what: version} of all stages and evaluations."""
  return ({stage.name: stage.versions for stage in run.stages}
          | {f"evaluation of {split.name}": split.record.versions
             for split in run.splits})


def _percent(value, digits=1):
  return "–" if value is None or value != value else (
      f"{100 * value:.{digits}f}")


def _duration(seconds):
  if seconds is None:
    return "–"
  minutes, rest = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  return f"{hours} h {minutes:02} min" if hours else (
      f"{minutes} min {rest:02} s" if minutes else f"{rest} s")


def _flat(config, prefix=""):
  """[(dotted name, value)] of a nested dict, in its order."""
  rows = []
  for name, value in config.items():
    if isinstance(value, dict):
      rows += _flat(value, f"{prefix}{name}.")
    else:
      rows.append((f"{prefix}{name}", value))
  return rows
