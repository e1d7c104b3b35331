import json

import pytest

from semseg_jax.evaluation import record

_CONFIG = {"data": {"size": 32, "splits": ("a", "b")}, "seed": 0}


def _record(**changes):
  return record.make(
      {"ours": {"miou": 0.5}}, config=_CONFIG, split="test", seconds=1.23456,
      checkpoint_step=7, **changes)


def test_a_record_comes_back(tmp_path):
  record.save(tmp_path / "new", _record(extra={"fid": 3.0}))
  loaded = record.load(tmp_path / "new")
  assert loaded.methods == {"ours": {"miou": 0.5}}
  assert (loaded.checkpoint_step, loaded.seconds) == (7, 1.235)
  assert loaded.extra == {"fid": 3.0}
  assert loaded.config_hash == record.config_hash(_CONFIG)
  assert {"jax", "python", "device", "git"} <= set(loaded.versions)
  assert [p.name for p in (tmp_path / "new").iterdir()] == ["record.json"]


def test_another_config_is_refused_with_the_field(tmp_path):
  record.save(tmp_path, _record())
  other = {"data": {"size": 64, "splits": ("a", "b")}, "seed": 0}
  with pytest.raises(record.RecordMismatchError, match="data.size: 32.*64"):
    record.check_config(tmp_path, record.load(tmp_path).config, other)


def test_files_and_folders_count_by_their_own_names(tmp_path):
  config = {"shots": {"folder": "/home/a/painted"},
            "supervised": {"synthetic": "/home/a/pairs/"},
            "pretrained": {"efficientnet_lite0": "/home/a/lite0"}}
  moved = {"shots": {"folder": "painted"},
           "supervised": {"synthetic": "b/pairs"},
           "pretrained": {"efficientnet_lite0": "lite0"}}
  assert not record.differences(config, moved)
  path = tmp_path / "a.records.jsonl"
  record.keep(path, [record.make({}, config=config, split="test", seconds=1)])
  [(_, kept)] = record.below([tmp_path])
  assert not record.differences(kept.config, config)
  moved["shots"]["folder"] = "scribbled"
  assert [x[0] for x in record.differences(config, moved)] == ["shots.folder"]


def test_an_edited_config_is_refused(tmp_path):
  record.save(tmp_path, _record())
  path = tmp_path / "record.json"
  content = json.loads(path.read_text())
  content["config"]["seed"] = 1
  path.write_text(json.dumps(content))
  with pytest.raises(record.RecordMismatchError, match="record.json"):
    record.load(tmp_path)


@pytest.mark.parametrize("text", ["{", '{"methods": {}}'])
def test_what_is_no_record_is_named(tmp_path, text):
  (tmp_path / "record.json").write_text(text)
  with pytest.raises(ValueError, match="record.json is not a record"):
    record.load(tmp_path)


def test_missing_record_is_named(tmp_path):
  with pytest.raises(FileNotFoundError, match="record.json"):
    record.load(tmp_path)


def test_kept_records_outlast_a_full_disk(tmp_path, no_room):
  path = tmp_path / "a.records.jsonl"
  record.keep(path, [_record()])
  before = path.read_bytes()
  with no_room(), pytest.raises(OSError, match="large"):
    record.keep(path, [_record(), _record()])
  assert path.read_bytes() == before
  assert list(tmp_path.iterdir()) == [path]


def test_images_left_out_of_training_are_a_difference():
  of = lambda broken, rollbacks: {"faults": {
      "max_unreadable_images": broken, "rollbacks": rollbacks}}
  assert record.differences(of(0, 0), of(0, 2)) == []
  assert record.differences(of(0, 0), of(3, 0)) == [
      ("faults.max_unreadable_images", "0", "3")]


def test_hash_depends_on_values_not_on_order():
  assert record.config_hash({"a": 1, "b": [2]}) == record.config_hash(
      {"b": (2,), "a": 1})
  assert record.config_hash({"a": 1}) != record.config_hash({"a": 2})
