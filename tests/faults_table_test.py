"""The table of faults in docs/clusters.md names tests that exist."""

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
TABLE = (ROOT / "docs/clusters.md").read_text().partition("\n## Faults\n")[2]
# The last cell of a row: `file_test.py::test_name`, `::another`*, ...
ROWS = [line.rsplit("|", 2)[1].strip() for line in TABLE.splitlines()
        if line.startswith("|")][2:]
NAMED = re.compile(r"`([\w]*)(?:\.py)?::(test_\w+)`(\*?)")


def slow(function, module) -> bool:
  """Whether a test, or all of its module, is marked slow."""
  marks = [ast.unparse(d) for d in function.decorator_list]
  marks += [ast.unparse(n.value) for n in module.body
            if isinstance(n, ast.Assign) and "pytestmark" in ast.unparse(n)]
  return any("mark.slow" in m for m in marks)


def test_there_is_a_table():
  assert len(ROWS) > 15


@pytest.mark.parametrize("cell", ROWS)
def test_tests_of_a_row(cell):
  names = NAMED.findall(cell)
  assert names, f"no test is named in {cell!r}"
  assert NAMED.sub("", cell).strip(" ,") == ""
  name = None
  for file, test, star in names:
    name = file or name
    # Several folders have a fuzz_test.py or a processes_test.py.
    functions = [
        (node, module) for path in (ROOT / "tests").rglob(f"{name}.py")
        for module in [ast.parse(path.read_text())] for node in module.body
        if isinstance(node, ast.FunctionDef) and node.name == test]
    assert len(functions) == 1, f"{name}.py has no {test}"
    assert slow(*functions[0]) == bool(star), (
        f"{test}: a star in the table means marked slow")
