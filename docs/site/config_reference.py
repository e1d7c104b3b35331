"""The config reference: fields, values and comments of `configs/`, as Markdown.

Values are what `get_config` returns; the explanation of a field is the comment
behind it, or the comment lines right above it, in the file that sets it; names
that need no comment there are in `glossary.py`.
"""

import ast
import importlib
import io
import json
import pathlib
import re
import tokenize

from docs.site import glossary

ROOT = pathlib.Path(__file__).resolve().parents[2]
METHODS = {
    "semantic_gan": "SemanticGAN",
    "semisup": "s4GAN + MLMT",
    "repurpose_gan": "RepurposeGAN",
    "fewshot_smis": "Fewshot-SMIS",
}
_TOP = "top level"


def page() -> str:
  """The whole page."""
  parts = [_INTRODUCTION]
  for method, title in METHODS.items():
    parts.append(f"## {title}\n")
    parts.append(_files(method))
    for block, rows in blocks(method).items():
      heading = block if block == _TOP else f"`{block}`"
      parts.append(f"### {heading} {{ #{method}-{_anchor(block)} }}\n")
      parts.append("| field | value | meaning |\n| --- | --- | --- |")
      parts += [
          f"| `{name}` | `{_shown(value)}` | {_escaped(comment)} |"
          for name, value, comment in rows]
      parts.append("")
  return "\n".join(parts) + "\n"


def blocks(method: str) -> dict[str, list[tuple[str, object, str]]]:
  """Block -> [(field, published value, explanation or "")] of a method."""
  base = importlib.import_module(f"configs.{method}.base")
  config = json.loads(base.get_config().to_json_best_effort())
  texts = {}
  for module in ("semantic_gan", method):
    texts |= comments(ROOT / "configs" / module / "base.py")
  rows = {}
  for field, value in _flat(config):
    block, _, name = field.partition(".")
    if not name:
      block, name = _TOP, field
    rows.setdefault(block, []).append(
        (name, value, texts.get(field) or glossary.meaning(field)))
  return rows


def comments(path) -> dict[str, str]:
  """Dotted field -> the comment of the file at `path` on it."""
  text = pathlib.Path(path).read_text()
  trailing, alone = _comment_lines(text)
  shared = path.parent.parent / "common.py"
  functions = {}
  if shared.exists() and path.name != "common.py":
    functions = _functions(shared)
  result = {}
  for field, first, last in _fields(ast.parse(text), functions):
    if isinstance(first, str):  # explained in common.py
      result[field] = first
      continue
    above = []
    line = first - 1
    while line in alone:
      above.insert(0, alone[line])
      line -= 1
    words = [*above, trailing.get(last, "")]
    result[field] = re.sub(r"\s+", " ", " ".join(filter(None, words)))
  return result


def _functions(path):
  """{function of common.py: {field: comment}} of the blocks that it makes."""
  tree = ast.parse(path.read_text())
  trailing, alone = _comment_lines(path.read_text())
  result = {}
  for function in tree.body:
    if isinstance(function, ast.FunctionDef):
      calls = [x.value for x in ast.walk(function)
               if isinstance(x, ast.Return) and isinstance(x.value, ast.Call)]
      fields = {}
      for call in calls:
        for name, first, last in _keywords(call, "", {}):
          fields[name] = " ".join(filter(None, (
              alone.get(first - 1, ""), trailing.get(last, ""))))
      result[function.name] = fields
  return result


def _comment_lines(text):
  """({line: comment behind code}, {line: comment alone on its line})."""
  trailing, alone = {}, {}
  lines = text.splitlines()
  for token in tokenize.generate_tokens(io.StringIO(text).readline):
    if token.type == tokenize.COMMENT:
      line, column = token.start
      kind = trailing if lines[line - 1][:column].strip() else alone
      kind[line] = token.string.lstrip("# ").strip()
  return trailing, alone


def _fields(tree, functions):
  """Yields (dotted field, first line, last line) of what `get_config` sets."""
  function = next(x for x in tree.body if isinstance(x, ast.FunctionDef)
                  and x.name == "get_config")
  variables = {}
  for node in function.body:
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
      target = node.targets[0]
      if isinstance(target, ast.Name):
        variables[target.id] = node.value
      name = _dotted(target)
      if not name:
        continue
      if _is_dict(node.value):
        yield from _keywords(node.value, f"{name}.", variables)
      elif (isinstance(node.value, ast.Call)
            and _dotted(node.value.func, root="common") in functions):
        block = functions[_dotted(node.value.func, root="common")]
        for field, comment in block.items():
          yield f"{name}.{field}", comment, 0
      else:
        yield name, node.lineno, node.end_lineno
    elif (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
          and isinstance(node.value.func, ast.Attribute)
          and node.value.func.attr == "update"):
      name = _dotted(node.value.func.value)
      if name:
        yield from _keywords(node.value, f"{name}.", variables)


def _keywords(call, prefix, variables):
  """Yields the same of dict(a=1, b=dict(c=2)), or ConfigDict of such."""
  for argument in call.args:
    if isinstance(argument, ast.Name):
      argument = variables.get(argument.id)
    if argument is not None and _is_dict(argument):
      yield from _keywords(argument, prefix, variables)
  for keyword in call.keywords:
    value = keyword.value
    if isinstance(value, ast.Name):
      value = variables.get(value.id, value)
    if _is_dict(value):
      yield from _keywords(value, f"{prefix}{keyword.arg}.", variables)
    else:
      yield (f"{prefix}{keyword.arg}", keyword.lineno,
             keyword.value.end_lineno)


def _is_dict(node) -> bool:
  return isinstance(node, ast.Call) and (
      (isinstance(node.func, ast.Name) and node.func.id == "dict")
      or (isinstance(node.func, ast.Attribute)
          and node.func.attr == "ConfigDict"))


def _dotted(node, root="c") -> str:
  """"a.b" of the expression c.a.b; "" of any other."""
  names = []
  while isinstance(node, ast.Attribute):
    names.insert(0, node.attr)
    node = node.value
  return ".".join(names) if isinstance(node, ast.Name) and (
      node.id == root) else ""


def _files(method) -> str:
  """The method's config files with what their docstrings say."""
  parts = []
  for path in sorted((ROOT / "configs" / method).glob("*.py")):
    source = path.read_text()
    text = ast.get_docstring(ast.parse(source)) or ""
    if "get_config(arg" in source or "get_config = " in source:
      body = text.replace("\n", "\n    ")
      parts.append(f'??? note "`configs/{method}/{path.name}`"\n\n'
                   f"    ```text\n    {body}\n    ```\n")
  return "\n".join(parts)


def _flat(config, prefix=""):
  for name, value in config.items():
    if isinstance(value, dict):
      yield from _flat(value, f"{prefix}{name}.")
    else:
      yield f"{prefix}{name}", value


def _shown(value) -> str:
  return json.dumps(value).replace("|", "\\|")


def _escaped(text) -> str:
  return text.replace("|", "\\|").replace("<", "&lt;")


def _anchor(block) -> str:
  return block.replace(" ", "-")


_INTRODUCTION = """\
# Config reference

Generated from `configs/`: every field with its published value and the comment
in the file that sets it. A data set's config starts from the method's
`base.py` and changes what the data or the size need; the smaller presets change
widths, steps and rates. What a run really used is in its `config.json` and on
its [report](run_report.md).

Any field can be set on the command line, for example
`--config.gan.steps=20000` or `--config.inversion.snapshots="(50,100)"`. A name
that does not exist is an error. Text after the colon of
`--config=configs/...py:labels=20,seed=1` sets the arguments that a config
file offers; its docstring, shown below, lists them.
"""
