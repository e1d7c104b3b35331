"""`python -m semseg_jax COMMAND`."""

from semseg_jax.cli import launcher

if __name__ == "__main__":
  launcher.main()
