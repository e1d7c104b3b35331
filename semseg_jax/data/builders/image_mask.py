"""TFDS builder for images with or without masks, in array_record form.

One builder serves every file-based data set: what differs between them is the
generator of examples it is given. Nothing here needs TensorFlow.
"""

from collections.abc import Callable
from collections.abc import Iterator

import tensorflow_datasets as tfds

SPLIT = "images"


class ImageMask(tfds.core.GeneratorBasedBuilder):
  """Stores encoded images and masks as they come from `examples`."""
  VERSION = tfds.core.Version("1.0.0")

  def __init__(self, *, examples: Callable[[], Iterator[tuple[str, dict]]],
               channels: int, **kwargs):
    """`examples()` yields (key, features) in the form of `_info`; the image
    and the label are encoded bytes, stored bit by bit."""
    self._examples = examples
    self._channels = channels
    super().__init__(file_format="array_record", **kwargs)

  def _info(self) -> tfds.core.DatasetInfo:
    return tfds.core.DatasetInfo(
        builder=self,
        features=tfds.features.FeaturesDict({
            "image": tfds.features.Image(shape=(None, None, self._channels)),
            # One pixel where the image has no mask.
            "label": tfds.features.Image(shape=(None, None, 1)),
            "key": tfds.features.Text(),
        }))

  def _split_generators(self, dl_manager):
    del dl_manager
    return {SPLIT: self._generate_examples()}

  def _generate_examples(self):
    yield from self._examples()
