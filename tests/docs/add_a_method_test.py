"""docs/add_a_method.md: its example is a stage that trains."""

import pathlib
import re
import types

import ml_collections

from configs.semantic_gan import toy_faces
from semseg_jax import experiment
from semseg_jax import stages
from semseg_jax.training import run_dir

_PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/add_a_method.md"


def test_the_example_trains(tmp_path, monkeypatch):
  page = _PAGE.read_text()
  source, block = re.findall(
      r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
  mean_color = types.ModuleType("mean_color")
  exec(source, mean_color.__dict__)
  (entry,) = re.findall(r'`"mean_color": (Definition\(.*?\))`', page)
  monkeypatch.setitem(stages.METHODS, "semantic_gan", {
      "mean_color": eval(entry, {
          "Definition": stages.Definition, "mean_color": mean_color})})
  config = toy_faces.get_config("labels=20,smoke")
  exec(block, {"c": config, "ml_collections": ml_collections})
  config.stages = ("mean_color",)
  config.mean_color.steps = 3
  experiment.train(config.lock(), tmp_path)
  assert run_dir.done_step(tmp_path / "mean_color") == 3
