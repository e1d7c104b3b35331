r"""SemanticGAN on your own images, in the `folder` layout.

  A=size=64,classes=3,channels=3,labels=20,cpu
  semseg-jax train --config=configs/semantic_gan/folder.py:$A \
      --config.data.data_dir=my_set --workdir=runs/mine
  semseg-jax eval  (the same flags)

docs/add_a_dataset.md shows the layout. Arguments that must be given: size (a
power of two; images are resized to it), classes (with the background; 2 is
binary), channels (3, or 1 for gray images). Others: labels (-1 all, 0 none:
images alone), unlabeled, seed, ood (out-of-domain splits, such as ood=ood_test
or ood=ood_a+ood_b), fitted (a generator of images alone, a head fitted to the
labeled ones, a distilled segmenter), run (of "fitted": folder of a run with
labels=0), backbone (as efficientnet_lite0: DeepLabv3+ on ImageNet features
instead of the U-Net), cpu (narrow networks, few steps: what the project's own
tables have), match_official, smoke. Without `cpu`: below 256 px the same recipe
with widths and steps for one GPU, from there on the published 800,000 steps.
"""

from configs import common
from configs.semantic_gan import base
from configs.semantic_gan import experiments


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(
      arg, size=0, classes=0, channels=0, labels=-1, unlabeled=-1, seed=0,
      ood="", fitted=False, run="", backbone="", cpu=False,
      match_official=False, smoke=False)
  if not a["labels"]:
    a["classes"] = a["classes"] or 2  # images alone have none
  missing = [n for n in ("size", "classes", "channels") if not a[n]]
  if missing:
    raise ValueError(
        f"this config needs the arguments {', '.join(missing)}: write e.g. "
        "--config=configs/semantic_gan/folder.py:size=64,classes=3,channels=3")
  experiments.check_run(a, a["fitted"])
  c = base.get_config()
  c.match_official, c.seed = a["match_official"], a["seed"]
  c.data.update(
      name="folder", size=a["size"], num_classes=a["classes"],
      channels=a["channels"], num_labeled=a["labels"],
      num_unlabeled=a["unlabeled"],
      out_of_domain=tuple(filter(None, a["ood"].split("+"))))
  if a["fitted"]:
    experiments.fitted(c, a)
  else:
    experiments.few_images(c, a)
    experiments.on_features(c, a)
    experiments.finish(c, a)
  c.data.size = a["size"]  # presets have one of their own
  if a["fitted"] and a["labels"] == -1:
    # With all labels it would be `supervised` once more.
    c.stages = tuple(s for s in c.stages if s != "fully_supervised")
  return c
