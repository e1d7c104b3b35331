import json

import ml_collections
import pytest

from semseg_jax.evaluation import tables

_ROWS = [
    {"Method": "ours", "mIoU": 69.0, "Images": 40},
    {"Method": "U-Net | baseline", "mIoU": None, "Images": 8},
]


def test_text():
  assert tables.text(_ROWS).splitlines() == [
      "Method             mIoU  Images",
      "----------------  -----  ------",
      "ours              69.00      40",
      "U-Net | baseline      -       8",
  ]


def test_markdown():
  assert tables.markdown(_ROWS).splitlines() == [
      "| Method            |  mIoU | Images |",
      "| ----------------- | ----: | -----: |",
      "| ours              | 69.00 |     40 |",
      "| U-Net \\| baseline |     - |      8 |",
  ]


def test_rows_of_scores():
  methods = {
      "a": {"images": 3, "miou": 0.5, "foreground_miou": 0.25, "dice": None,
            "dice_per_volume": None, "jaccard": 1.0, "pixel_accuracy": 0.9,
            "per_class_iou": {"x": 0.5, "y": None}}}
  assert tables.score_rows(methods) == [{
      "Method": "a", "Images": 3, "mIoU": 50.0, "mIoU fg": 25.0,
      "Jaccard": 100.0, "Accuracy": 90.0}]
  assert tables.class_rows(methods) == [
      {"Class": "x", "a": 50.0}, {"Class": "y", "a": None}]


def test_a_missing_cell_is_a_dash():
  assert tables.text([{"a": 1}, {"b": 2}]).splitlines()[2:] == [
      "1  -", "-  2"]


def test_fractions_keep_four_digits():
  assert tables.text([{"a": 0.61234, "b": 61.234}]).splitlines()[2] == (
      "0.6123  61.23")


def test_save(tmp_path):
  tables.save(tmp_path / "table.json", _ROWS)
  assert json.loads((tmp_path / "table.json").read_text()) == {"rows": _ROWS}


def _of_seeds(tmp_path, *results):
  return tables.write_results(results, ml_collections.ConfigDict({
      "data": {"in_domain": "test", "out_of_domain": ("ood",)}}), tmp_path)


def test_results_of_a_split_without_a_score(tmp_path, capsys):
  row, = _of_seeds(
      tmp_path, {"test": {"a": {"miou": 0.5}}, "ood": {"a": {"miou": None}}})
  assert row == {"method": "a", "in_domain_miou": 0.5,
                 "out_of_domain_miou": None, "seeds": 1}
  assert capsys.readouterr().out.splitlines()[3].split() == [
      "a", "0.5000", "-", "1"]


def test_results_of_seeds_with_other_methods(tmp_path):
  of = lambda *names: {split: {n: {"miou": 0.5} for n in names}
                       for split in ("test", "ood")}
  with pytest.raises(ValueError, match="'b' was scored with some"):
    _of_seeds(tmp_path, of("a", "b"), of("a"))


def test_no_rows_is_an_error():
  with pytest.raises(ValueError, match="row"):
    tables.text([])
