"""The config of a trained run as a config file: --config=THIS_FILE:PLACE."""

from semseg_jax.training import exported
from semseg_jax.training import run_dir


def get_config(place: str):
  """The config of a run's folder, an exported file or a shipped model."""
  path = exported.existing(place)
  if exported.is_file(path):
    return run_dir.configured(exported.config(path))
  return run_dir.config_of(place)
