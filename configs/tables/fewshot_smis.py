"""Fewshot-SMIS: how well synthesised pictures follow their layouts."""

_SETS = (
    ("CelebAMask, 5-shot", "celebamask", 5),
    ("CelebAMask, 1-shot", "celebamask", 1),
    ("LSUN church, 5-shot", "church", 5),
    ("LSUN car, 1-shot", "car", 1),
)


def get_table():
  """See evaluation/paper_table.py."""
  return dict(
      title="Layout of synthesised pictures",
      paper="Fewshot-SMIS (arXiv 2103.14877)",
      unit="percent",
      columns=[dict(name="mIoU"),
               dict(name="Accuracy", metric="pixel_accuracy")],
      rows=[
          dict(name=name, setting="synthesis", method="synthesis",
               config=f"configs/fewshot_smis/{config}.py",
               arguments={"shots": shots}) for name, config, shots in _SETS],
      notes=(
          "No result table of the paper could be found, so no published "
          "number stands here. A segmenter trained on real pictures labels "
          "the synthesised ones; its labels are compared with the layouts.",))
