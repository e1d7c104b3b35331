"""The page made of the lines of results."""

_TITLES = {
    "a": "Machine", "b": "Golden cases", "c": "Every stage",
    "d": "Against PyTorch", "e": "Published sizes", "f": "Training"}


def markdown(records) -> str:
  """A section for each part, a table for rows of the same columns."""
  lines = ["# What this machine does", ""]
  for part in dict.fromkeys(r["part"] for r in records):
    mine = [r for r in records if r["part"] == part]
    lines += [f"## {part}: {_TITLES.get(part, part)}", ""]
    tables = {}
    for r in mine:
      if "error" not in r:
        columns = tuple(k for k in r if k != "part")
        tables.setdefault(columns, []).append(r)
    for columns, rows in tables.items():
      lines += [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
      lines += [f"| {' | '.join(_shown(r[c]) for c in columns)} |"
                for r in rows]
      lines.append("")
    failed = [r for r in mine if "error" in r]
    lines += [f"* {r['row']}: {_rest(r)}" for r in failed]
    lines += [""] if failed else []
  return "\n".join(lines)


def _rest(record):
  known = {k: v for k, v in record.items() if k not in ("part", "row", "error")}
  about = ", ".join(f"{k} {_shown(v)}" for k, v in known.items())
  return record["error"].replace("\n", " ") + (f" ({about})" if about else "")


def _shown(value) -> str:
  if isinstance(value, float):
    return f"{value:.3g}"
  return str(value).replace("|", "/").replace("\n", " ")
