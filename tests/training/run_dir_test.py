"""A run's folder: which config may continue in it, and what it records."""

from concurrent import futures
import json

import pytest

from semseg_jax.training import run_dir

CONFIG = {"gan": {"steps": 10, "lr": 0.1, "betas": (0.0, 0.99)}, "seed": 1}


def test_same_config_continues(tmp_path):
  folder = run_dir.prepare(tmp_path / "a", CONFIG, {"seed": 1})
  assert json.loads((folder / "config.json").read_text())["gan"]["betas"] == [
      0.0, 0.99]
  assert json.loads((folder / "overrides.json").read_text()) == {"seed": 1}
  assert run_dir.prepare(tmp_path / "a", CONFIG, {}) == folder


def test_length_and_frequency_may_change(tmp_path):
  run_dir.prepare(tmp_path, CONFIG, {})
  longer = CONFIG | {"gan": CONFIG["gan"] | {"steps": 20}, "log_every": 5}
  run_dir.prepare(tmp_path, longer, {})
  saved = json.loads((tmp_path / "config.json").read_text())
  assert saved["gan"]["steps"] == 20


def test_files_may_move_and_other_splits_be_scored(tmp_path):
  data = {"name": "folder", "data_dir": "here", "out_of_domain": (),
          "geometry": {"evaluate": (505, 505), "shape": (321, 321)}}
  run_dir.prepare(tmp_path, {"data": data}, {})
  moved = data | {"data_dir": "there", "out_of_domain": ("ood_test",)}
  moved["geometry"] = data["geometry"] | {"evaluate": (769, 769)}
  run_dir.check(tmp_path, {"data": moved})
  with pytest.raises(run_dir.ConfigMismatchError, match="data.name"):
    run_dir.check(tmp_path, {"data": moved | {"name": "toy_faces"}})


def test_another_run_and_files_of_weights_may_move(tmp_path):
  config = {"labels": {"run": "runs/images"},
            "perceptual": {"weights": "w/lpips.safetensors"}}
  run_dir.prepare(tmp_path, config, {})
  run_dir.check(tmp_path, {"labels": {"run": "/moved"},
                           "perceptual": {"weights": "/lpips.safetensors"}})
  for block, name, value in (
      ("labels", "run", ""), ("perceptual", "weights", ""),
      ("perceptual", "weights", "w/another.safetensors")):
    with pytest.raises(run_dir.ConfigMismatchError, match=f"{block}.{name}"):
      run_dir.check(tmp_path, config | {block: {name: value}})


def test_files_within_an_exported_model_are_taken():
  file = "a.safetensors#"
  there = run_dir.configured({
      "labels": {"run": ""}, "perceptual": {"weights": f"{file}one"},
      "pretrained": {"lite0": f"{file}two", "lite1": ""}})
  config = run_dir.configured({
      "labels": {"run": "images"}, "perceptual": {"weights": ""},
      "pretrained": {"lite0": "", "lite1": "mine"}})
  assert run_dir.with_paths_of(config, there).to_dict() == {
      **there.to_dict(), "pretrained": {"lite0": f"{file}two", "lite1": "mine"}}


def test_a_field_that_a_former_version_had(tmp_path):
  former = {"inversion": {"stop_every": 0, "stop_below": 0.02}}
  run_dir.prepare(tmp_path, CONFIG | former, {})
  run_dir.check(tmp_path, CONFIG | {"inversion": {}})
  run_dir.prepare(tmp_path / "a", {"inversion": {"stop_every": 9}}, {})
  with pytest.raises(run_dir.ConfigMismatchError, match="stop_every: 9 there"):
    run_dir.check(tmp_path / "a", {"inversion": {}})


def test_two_writers_of_a_file(tmp_path):
  texts = [bytes([x]) * 100_000 for x in (1, 2)]
  path = tmp_path / "file"

  def write(text):
    for _ in range(50):
      run_dir.write_bytes(path, text)

  with futures.ThreadPoolExecutor(2) as pool:
    jobs = [pool.submit(write, text) for text in texts]
    while not all(job.done() for job in jobs):
      assert not path.exists() or path.read_bytes() in texts
    assert [job.result() for job in jobs] == [None, None]
  assert list(tmp_path.iterdir()) == [path]


def test_every_other_change_is_listed(tmp_path):
  run_dir.prepare(tmp_path, CONFIG, {})
  other = {"gan": {"steps": 20, "lr": 0.2, "betas": (0.0, 0.99)}, "new": None}
  with pytest.raises(run_dir.ConfigMismatchError) as error:
    run_dir.prepare(tmp_path, other, {})
  message = str(error.value)
  for part in ("gan.lr: 0.1 there, 0.2 now", "seed: 1 there, absent now",
               "new: absent there, null now", str(tmp_path), "--workdir"):
    assert part in message
  assert "steps" not in message
  assert json.loads((tmp_path / "config.json").read_text())["seed"] == 1


def test_one_process_trains_in_a_folder(tmp_path):
  with run_dir.alone(tmp_path):
    with pytest.raises(ValueError, match="another process is training there"):
      with run_dir.alone(tmp_path):
        pass
  with run_dir.alone(tmp_path):
    pass


def test_done(tmp_path):
  assert run_dir.done_step(tmp_path) is None
  run_dir.write_done(tmp_path, 5)
  assert run_dir.done_step(tmp_path) == 5


def test_a_damaged_file_is_named(tmp_path):
  for name in ("DONE", "commands.json", "config.json"):
    (tmp_path / name).write_text('{"step": ')
  for read in (run_dir.done_step, run_dir.commands, run_dir.described):
    with pytest.raises(ValueError, match=r"(DONE|\.json) is damaged .*copy"):
      read(tmp_path)


def test_failed_write_leaves_the_old_file(tmp_path):
  path = tmp_path / "a.json"
  run_dir.write_json(path, {"a": 1})
  with pytest.raises(TypeError):
    run_dir.write_json(path, {"a": object()})
  assert json.loads(path.read_text()) == {"a": 1}


def test_commands_are_kept_in_order(tmp_path):
  assert run_dir.commands(tmp_path / "new") == []
  run_dir.add_command(tmp_path / "new", ["train.py", "--a=x y"])
  run_dir.add_command(tmp_path / "new", ["eval.py"])
  first, second = run_dir.commands(tmp_path / "new")
  assert first["command"] == "python train.py '--a=x y'"
  assert second["command"] == "python eval.py"
  assert second["time"] >= first["time"]
  run_dir.add_command(tmp_path / "new", ["semseg-jax train", "--a=x"])
  assert run_dir.commands(tmp_path / "new")[2]["command"] == (
      "semseg-jax train --a=x")
