"""Fewshot-SMIS on procedural faces: do images follow their layouts?"""

from configs.tables import base


def get_table():
  """See tables/definition.py."""
  return dict(
      title="Images from layouts: procedural faces",
      paper="Fewshot-SMIS (arXiv 2103.14877)",
      data=False,
      columns=base.shot_columns(("test",)),
      rows=base.synthesis_rows("configs/fewshot_smis/toy_faces.py",
                               run="toy_faces"),
      notes=base.SYNTHESIS_NOTES)
