"""A config of a method on the data set of conftest.py."""

from configs.semantic_gan import toy_faces


def config_of(data, **changes):
  """Two labeled images of the folder `data`, at toy size."""
  config = toy_faces.get_config("labels=2,unlabeled=-1,smoke")
  config.data.update(
      name="folder", data_dir=str(data), cache_dir=str(data.parent / "cache"),
      size=16, num_classes=2, out_of_domain=())
  config.update_from_flattened_dict(changes)
  config.lock()
  return config
