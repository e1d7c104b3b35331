r"""RepurposeGAN on your own images, in the `folder` layout.

  A=size=64,classes=3,channels=3,cpu
  semseg-jax train --workdir=runs/images --stage=gan \
      --config=configs/semantic_gan/folder.py:$A,labels=0,fitted \
      --config.data.data_dir=my_set
  (annotate images: docs/one_image.md)
  semseg-jax train --workdir=runs/mine \
      --config=configs/repurpose_gan/folder.py:$A,run=runs/images \
      --config.data.data_dir=my_set --config.shots.folder=my_shots
  semseg-jax eval --workdir=runs/mine

docs/add_a_dataset.md shows the layout. Arguments that must be given: size (a
power of two from 16 on; images are resized to it), classes, channels (3, or
1 for gray images). Others: run (whose generator is used; without, the stage
`gan` trains one), shots, segmenter (cnn, cnn_s, cnn_m, cnn_l, linear, mlp),
unlabeled, seed, cpu (narrow), smoke. Without `cpu`: settings for one GPU below
256 px, the published ones from there on.
"""

from configs import common
from configs.repurpose_gan import base
from configs.semantic_gan import base as gan_base
from configs.semantic_gan import small


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(
      arg, size=0, classes=0, channels=0, shots=1, segmenter="cnn",
      unlabeled=-1, seed=0, cpu=False, run="", smoke=False)
  missing = [n for n in ("size", "classes", "channels") if not a[n]]
  if missing:
    raise ValueError(
        f"this config needs the arguments {', '.join(missing)}: write e.g. "
        "--config=configs/repurpose_gan/folder.py:size=64,classes=3,channels=3")
  preset = (small.smoke if a["smoke"] else small.two_cores if a["cpu"]
            else small.one_gpu if a["size"] < 256 else None)
  c = base.get_config(preset)
  c.seed = a["seed"]
  # Masks are painted; with `fully_supervised` in the stages they need not be.
  c.stages = ("gan", "segmenter", "autoshot")
  c.data.update(
      name="folder", size=a["size"], num_classes=a["classes"],
      channels=a["channels"], num_unlabeled=a["unlabeled"])
  c.shots.update(source="folder", count=a["shots"])
  c.few_shot.kind = a["segmenter"]
  if a["smoke"]:
    c.stages = ("gan", "fully_supervised", "segmenter", "autoshot")
    c.shots.source = "fully_supervised"
    base.smoke(c)
  elif a["cpu"]:
    base.two_cores(c)
  return gan_base.use_generator(c, a["run"]) if a["run"] else c
