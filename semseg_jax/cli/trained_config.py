"""The config of a trained run as a config file: --config=THIS_FILE:WORKDIR."""

from semseg_jax import experiment


def get_config(workdir: str):
  """The config of the run in a folder or an exported file, locked."""
  return experiment.config_of(workdir)
