"""The config of a trained run as a config file: --config=THIS_FILE:WORKDIR."""

from semseg_jax.training import run_dir


def get_config(workdir: str):
  """The config of the run in a folder or an exported file, locked."""
  return run_dir.config_of(workdir)
