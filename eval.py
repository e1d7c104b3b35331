r"""Labels test images with a trained run, scores them, draws them.

  python eval.py --config=configs/semantic_gan/toy_faces.py:labels=20 \
      --workdir=runs/toy_faces20
"""

import sys

from semseg_jax.cli import launcher

if __name__ == "__main__":
  launcher.main(["eval", *sys.argv[1:]])
