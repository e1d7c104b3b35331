"""Tables of results: fixed width for terminals, Markdown, JSON."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

from etils import epath
import numpy as np

from semseg_jax.evaluation import pretraining
from semseg_jax.training import run_dir

# Headings of the scores a segmentation record holds, in the table's order.
SCORES = {
    "miou": "mIoU",
    "foreground_miou": "mIoU fg",
    "dice": "Dice",
    "dice_per_volume": "Dice/vol",
    "jaccard": "Jaccard",
    "pixel_accuracy": "Accuracy",
}


def score_rows(methods: Mapping[str, Mapping], config: Mapping | None = None
               ) -> list[dict]:
  """One row per method of `segmentation.evaluate`'s result, in percent.

  With a config (nested dicts) the rows say what networks were pretrained on,
  if any was.
  """
  started = {name: pretraining.words(config or {}, name) for name in methods}
  return [
      {"Method": name}
      | ({"Pretrained": started[name] or "no"} if any(started.values()) else {})
      | {"Images": scores["images"]}
      | {heading: _percent(scores[key]) for key, heading in SCORES.items()
         if any(m.get(key) is not None for m in methods.values())}
      for name, scores in methods.items()]


def class_rows(methods: Mapping[str, Mapping]) -> list[dict]:
  """One row per class with its IoU in percent, a column for each method."""
  classes = next(iter(methods.values()))["per_class_iou"]
  return [
      {"Class": name}
      | {m: _percent(s["per_class_iou"][name]) for m, s in methods.items()}
      for name in classes]


def text(rows: Sequence[Mapping]) -> str:
  """Columns of equal width: words to the left, numbers to the right."""
  headings, cells, numeric = _cells(rows)
  widths = _widths(headings, cells)
  lines = [_line(headings, widths, numeric, "  ")]
  lines.append("  ".join("-" * w for w in widths))
  lines += [_line(row, widths, numeric, "  ") for row in cells]
  return "\n".join(line.rstrip() for line in lines)


def markdown(rows: Sequence[Mapping]) -> str:
  """The same table for a README."""
  headings, cells, numeric = _cells(rows)
  escape = lambda row: [cell.replace("|", "\\|") for cell in row]
  headings, cells = escape(headings), [escape(row) for row in cells]
  widths = [max(w, 3) for w in _widths(headings, cells)]
  rule = [
      "-" * (w - 1) + (":" if right else "-")
      for w, right in zip(widths, numeric, strict=True)]
  body = [_line(row, widths, numeric, " | ") for row in [headings, *cells]]
  body.insert(1, " | ".join(rule))
  return "\n".join(f"| {line} |" for line in body)


def save(path, rows: Iterable[Mapping]) -> None:
  """Writes {"rows": [...]}, whole or not at all."""
  run_dir.write_json(path, {"rows": [dict(row) for row in rows]})


def write(folder, rows, shown=None, title: str = "") -> None:
  """Writes table.json and table.md into `folder`, and prints the table.

  Args:
    folder: an `epath.Path`; made if absent.
    rows: of the table.
    shown: rows as Markdown and terminal show them; None: the same.
    title: above the table on the terminal.
  """
  folder.mkdir(parents=True, exist_ok=True)
  save(folder / "table.json", rows)
  shown = rows if shown is None else shown
  (folder / "table.md").write_text(markdown(shown) + "\n")
  print(f"\n{title}{text(shown)}\n\nwritten to {folder / 'table.json'}",
        flush=True)


def _percent(value):
  return None if value is None else round(100.0 * value, 2)


def _cells(rows):
  """(headings, texts, which columns are numbers)."""
  if not rows:
    raise ValueError("a table needs at least one row")
  headings = list(dict.fromkeys(name for row in rows for name in row))
  columns = [_shown([row.get(name) for row in rows]) for name in headings]
  cells = [list(row) for row in zip(*columns, strict=True)]
  numeric = [
      all(isinstance(row.get(name), int | float | None) for row in rows)
      for name in headings]
  return headings, cells, numeric


def _shown(column) -> list[str]:
  """Texts of a column; fractions need more digits than percentages."""
  numbers = [abs(v) for v in column if isinstance(v, float)]
  digits = 4 if numbers and max(numbers) <= 1 else 2
  shown = lambda v: f"{v:.{digits}f}" if isinstance(v, float) else str(v)
  return ["-" if v is None else shown(v) for v in column]


def _widths(headings, cells):
  return [max(map(len, column)) for column in zip(headings, *cells,
                                                  strict=True)]


def _line(row, widths, numeric, separator):
  return separator.join(
      cell.rjust(w) if right else cell.ljust(w)
      for cell, w, right in zip(row, widths, numeric, strict=True))


def write_results(results, config, workdir):
  """The table of one or several seeds: text on stdout and table.json.

  Args:
    results: what `experiment.evaluate` returned, one per seed.
    config: of any of them, for the splits' names.
    workdir: where table.json and table.md go.

  Returns:
    The rows: method, in_domain_miou and, where there are such splits,
    out_of_domain_miou (means over seeds and splits; None where one is not
    defined), their spreads (standard deviation over seeds) where there are
    several seeds, and the number of seeds.

  Raises:
    ValueError: seeds of other methods.
  """
  domains = {"in_domain": (config.data.in_domain,),
             "out_of_domain": config.data.out_of_domain}
  rows = []
  for method in results[0][config.data.in_domain]:
    if not all(method in r[config.data.in_domain] for r in results):
      raise ValueError(f"{method!r} was scored with some of the seeds alone: "
                       "train and evaluate the others to their end")
    row = {"method": method}
    for domain, names in domains.items():
      if not names:
        continue
      scores = [[r[n][method]["miou"] for n in names] for r in results]
      if any(None in x for x in scores):
        row[f"{domain}_miou"] = None
        continue
      values = [np.mean(x) for x in scores]
      row[f"{domain}_miou"] = round(float(np.mean(values)), 4)
      if len(results) > 1:
        row[f"{domain}_spread"] = round(float(np.std(values, ddof=1)), 4)
        row[f"{domain}_seeds"] = [round(float(v), 4) for v in values]
    rows.append(row | {"seeds": len(results)})
  write(epath.Path(workdir), rows, [
      {k: v for k, v in row.items() if not isinstance(v, list)}
      for row in rows])
  return rows
