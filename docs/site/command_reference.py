"""The command reference: docstrings and flags of the entry points."""

import ast
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]


def page() -> str:
  """The whole page, as Markdown."""
  parts = [_INTRODUCTION]
  for path in modules():
    tree = ast.parse(path.read_text())
    words = _prose(ast.get_docstring(tree, clean=False))
    parts.append(f"## {_name(path)}\n\n{words}\n")
    rows = flags(tree)
    if rows:
      parts.append("| flag | default | meaning |\n| --- | --- | --- |")
      parts += [f"| `--{name}` | {default} | {_cell(text)} |"
                for name, default, text in rows]
      parts.append("")
  return "\n".join(parts) + "\n"


def modules() -> list[pathlib.Path]:
  """Files of the commands."""
  return [p for p in sorted((ROOT / "semseg_jax/cli").glob("*.py"))
          if "def define_flags(" in p.read_text()]


def flags(tree) -> list[tuple[str, str, str]]:
  """(name, default, help) of every absl flag that a module defines."""
  rows = []
  for node in ast.walk(tree):
    if (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        and node.func.attr.startswith("DEFINE_")
        and node.func.attr != "DEFINE_alias"):
      name, default = (_text(a) for a in node.args[:2])
      words = next((_text(a) for a in reversed(node.args)
                    if isinstance(_value(a), str)), "")
      shown = "" if default in ("None", "", "[]") else f"`{default}`"
      rows.append((name, shown, words))
    elif (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
          and node.func.attr == "define_run"):
      rows.append(("config", "", "Config file of the experiment."))
      rows += [("workdir", "", _text(a)) for a in node.args]
    elif (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
          and node.func.attr == "define_processes"):
      rows += flags(_function("define_processes"))
  return rows


def _function(name):
  """The tree of a function of arguments.py."""
  tree = ast.parse((ROOT / "semseg_jax/cli/arguments.py").read_text())
  return next(x for x in tree.body if getattr(x, "name", "") == name)


def _value(node):
  """The constant that an expression is; f-strings keep their fixed parts."""
  if isinstance(node, ast.JoinedStr):
    return "".join(v.value if isinstance(v, ast.Constant) else "..."
                   for v in node.values)
  if isinstance(node, ast.BinOp):
    left, right = _value(node.left), _value(node.right)
    return (left or "") + (right if isinstance(right, str) else "...")
  try:
    return ast.literal_eval(node)
  except ValueError:
    return None


def _text(node) -> str:
  value = _value(node)
  return str(value)


def _name(path) -> str:
  return f"semseg-jax {path.stem}"


def _prose(docstring: str) -> str:
  """Indented commands become code blocks."""
  lines, code = [], False
  for line in (docstring or "").splitlines():
    indented = line.startswith("  ") and bool(line.strip())
    if indented != code and line.strip():
      lines.append("```text" if indented else "```")
      code = indented
    lines.append(line[2:] if code else line)
  if code:
    lines.append("```")
  return "\n".join(lines)


def _cell(text) -> str:
  return text.replace("|", "\\|").replace("<", "&lt;").strip()


_INTRODUCTION = """\
# Commands

Generated from the commands' own descriptions. Every command that takes a config
accepts `--config=FILE.py:ARGUMENTS` and `--config.FIELD=VALUE`, see the
[config reference](config.md). `--help` prints the flags of a command,
`--verbosity=1` all messages.
"""
