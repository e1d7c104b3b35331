r"""Trains the stages of an experiment, in order; run again to resume.

  python train.py --config=configs/semantic_gan/toy_faces.py:labels=20 \
      --workdir=runs/toy_faces20
"""

import sys

from semseg_jax.cli import launcher

if __name__ == "__main__":
  launcher.main(["train", *sys.argv[1:]])
