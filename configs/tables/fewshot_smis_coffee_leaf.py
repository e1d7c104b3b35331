"""Fewshot-SMIS on coffee leaves: do images follow their layouts?"""

from configs.tables import base


def get_table():
  """See tables/definition.py."""
  return dict(
      title="Images from layouts: coffee leaves",
      paper="Fewshot-SMIS (arXiv 2103.14877)",
      columns=base.shot_columns(("test",)),
      rows=base.synthesis_rows(
          "configs/fewshot_smis/coffee_leaf.py",
          base.images_alone("configs/semantic_gan/coffee_leaf.py", cpu=True)),
      notes=base.SYNTHESIS_NOTES)
