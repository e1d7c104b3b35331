"""What a method's networks were trained on before the run, read off its config.

Rows of tables state it, so that nobody compares a pretrained method with one
from random weights unawares.
"""

from collections.abc import Mapping

_SEGMENTERS = ("supervised", "fully_supervised", "adv_ssl", "s4gan",
               "mean_teacher")
# The stage, its row, and that of the table of shots.
_AUTOSHOT = ("autoshot", "auto_shot", "auto-shot")


def words(config: Mapping, method: str) -> str:
  """Such as "ImageNet efficientnet_lite0"; "" where all weights were random.

  Args:
    config: a run's config as nested dicts.
    method: a row of its results, such as "s4gan", "s4gan+mlmt" or "encoder".
  """
  name, *added = method.split("+")
  block = lambda name: config.get(name) or {}
  parts = []
  if name in _SEGMENTERS:
    parts += _start(block("segmenter"))
  else:
    if name.startswith(_AUTOSHOT):
      parts += _start(block("autoshot"))
    elif "distilled" in (name, *added):  # the network of the stage `supervised`
      parts += _start(block("segmenter"))
    parts += _generative(block)
  if "mlmt" in added:
    parts += [f"classifier: {text}" for text in _start(block("mlmt"))]
  return "; ".join(dict.fromkeys(parts))


def _start(block):
  """Of one network: its file, else its backbone."""
  if block.get("weights"):
    return [block["weights"].rsplit("/", 1)[-1]]
  if block.get("backbone"):
    return [f"ImageNet {block['backbone']}"]
  return []


def _generative(block):
  """Of methods with a generator: what judged its images."""
  parts = []
  for name, label in (("generator", "generator"), ("encoder", "encoder")):
    if block(name).get("weights"):
      parts += [f"{label}: {text}" for text in _start(block(name))]
  judge = block("image_discriminator")
  if judge.get("kind") == "projected":
    parts.append(f"discriminator: ImageNet {judge.get('backbone')}")
  distance = block("perceptual")
  if distance.get("kind") == "efficientnet":
    parts.append(f"distance: ImageNet {distance.get('backbone')}")
  elif distance.get("weights") and distance.get("kind") != "discriminator":
    parts.append(f"distance: {_start(distance)[0]}")
  return parts
