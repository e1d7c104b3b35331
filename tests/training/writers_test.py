"""TensorBoard files and metrics.jsonl."""

import json

import numpy as np
from tensorboardX.proto import event_pb2

from semseg_jax.training import writers


def events(folder):
  """Events of a TensorBoard file: length, checksum, payload, checksum."""
  data = next(folder.glob("events.out.tfevents*")).read_bytes()
  while data:
    size = int.from_bytes(data[:8], "little")
    yield event_pb2.Event.FromString(data[12:12 + size])
    data = data[16 + size:]


def test_tensorboard(tmp_path):
  writer = writers.create(tmp_path)
  writer.write_scalars(3, {"loss": 0.5})
  writer.write_images(3, {"grid": np.zeros((1, 4, 4, 3), np.uint8)})
  writer.close()
  tags = {v.tag: v for e in events(tmp_path) for v in e.summary.value}
  assert tags["loss"].simple_value == 0.5
  assert tags["grid"].image.width == 4


def test_metrics_file(tmp_path):
  path = tmp_path / "metrics.jsonl"
  path.write_text('{"step": 1, "a": 1}\n[3]\n{"step": 5, "a": 2}\n{"step": 2')
  file = writers.MetricsFile(path, first_step=3)
  file.write(4, {"a": 0.1, "b": float("nan"), "c": float("inf")})
  text = path.read_text()  # visible before it is closed
  file.close()
  first, second = (json.loads(x) for x in text.splitlines())
  assert first == {"step": 1, "a": 1}
  assert second.pop("seconds") >= 0
  assert second == {"step": 4, "a": 0.1, "b": None, "c": None}
  assert writers.read_metrics(tmp_path / "none.jsonl") == []
