"""Fields that do nothing beside others: said where a user changes one.

A config has the fields of every network and kind that it may choose.
"""

from collections.abc import Callable
from collections.abc import Iterable
from typing import Any
from typing import NamedTuple


class Rule(NamedTuple):
  """fields: of `block`. idle: config -> whether they do nothing. because: what
  makes them so. where: for what they do nothing."""
  block: str
  fields: tuple[str, ...]
  idle: Callable[[Any], bool]
  because: str
  where: str = "here"


_STAGES = ("supervised", "s4gan", "adv_ssl", "mean_teacher")
_MLMT = {"mlmt", "classifier"}
_PROJECTED = ("backbone", "feature_size", "projection_widths",
              "projection_seed", "head_width", "minibatch_stddev", "pixels")
_STYLEGAN2 = ("channel_multiplier", "max_channels", "channels_per_resolution")


def _kind(block: str) -> Callable[[Any], str]:
  return lambda c: c.get(block, {}).get("kind", "")


_dr, _dm, _perceptual = map(
    _kind, ("image_discriminator", "patch_discriminator", "perceptual"))
_network = lambda c: c.segmenter.network
_head = lambda c: c.get("labels", {}).get("head", "")
_plain_unet = lambda c: _network(c) == "unet" and not c.segmenter.backbone
# Stage with an optimizer of its own, or of the block `supervised`.
_trained = lambda c: {x if x in _STAGES else "supervised" for x in c.stages
                      if x in (*_STAGES, "fully_supervised", "distilled")}
_prototypes = lambda c: c.method == "fewshot_smis" and (
    c.pseudo.labeling != "fitted")
_fitted_only = lambda c: c.method == "semantic_gan" and _head(c) == "branch"

_RENDERED = ("scenes", "toy_faces")  # drawn at data.size

RULES = (
    Rule("data", ("size",),
         lambda c: c.method == "semisup" and c.data.geometry.shape != () and (
             c.data.name not in _RENDERED) and (
                 c.mlmt.shape != () or not _MLMT & set(c.stages)),
         "of squares, and data.geometry.shape is what is trained on"),
    Rule("data.geometry", ("scales", "short_side", "blur", "fill_label"),
         lambda c: not c.data.geometry.crop, "of data.geometry.crop=True"),
    Rule("data.geometry", ("fill",),
         lambda c: not (c.data.geometry.crop or c.data.geometry.pad_evaluation),
         "of data.geometry.crop=True or .pad_evaluation=True"),
    Rule("data.augment", ("flip_labeled", "flip_unlabeled", "affine", "rotate",
                          "scale", "shift"),
         lambda c: bool(_MLMT & set(c.stages)),
         "of the other stages; a view of MLMT flips half the time, where the "
         "data set has a flip", "on 'mlmt' and 'classifier'"),
    Rule("segmenter", ("depth", "width", "blocks"),
         lambda c: _network(c) == "unet" or c.segmenter.backbone != "",
         "of a DeepLab on a ResNet; a U-Net has supervised.width and .levels"),
    Rule("segmenter", ("output_stride",),
         lambda c: _network(c) in ("unet", "semantic_fpn"),
         "of a DeepLab, which segmenter.network is not"),
    Rule("segmenter", ("features", "fine_features"),
         lambda c: _network(c) not in ("deeplabv3plus", "semantic_fpn"),
         "of segmenter.network='deeplabv3plus' or 'semantic_fpn'"),
    Rule("segmenter", ("branches", "stride_first", "ceil_pool",
                       "frozen_affine"),
         lambda c: _network(c) != "deeplabv2",
         "of segmenter.network='deeplabv2'"),
    Rule("segmenter", ("frozen_statistics",),
         lambda c: not c.segmenter.backbone, "of a segmenter.backbone"),
    Rule("segmenter", ("backbone_factor",),
         lambda c: all(c[x].optimizer == "sgd" for x in _trained(c)),
         "of optimizer='adamw'"),
    Rule("supervised", ("width",), lambda c: _network(c) != "unet",
         "of segmenter.network='unet'; a DeepLab has segmenter.width"),
    Rule("supervised", ("levels",),
         lambda c: _network(c) != "unet" or c.segmenter.backbone != "",
         "of segmenter.network='unet' without a backbone"),
    *(Rule(stage, ("momentum", "head_factor"),
           lambda c, stage=stage: c[stage].optimizer == "adamw",
           f"of {stage}.optimizer='sgd'") for stage in _STAGES),
    *(Rule(stage, ("head_factor",), _plain_unet,
           "of a network with a backbone") for stage in _STAGES),
    Rule("supervised", ("synthetic",),
         lambda c: "supervised" not in c.stages, "of the stage 'supervised'"),
    Rule("supervised", ("synthetic",), lambda c: "distilled" in c.stages,
         "of the stage 'supervised'; 'distilled' samples pairs of its own",
         "on 'distilled'"),
    Rule("mlmt", ("depth", "width", "blocks"),
         lambda c: c.mlmt.backbone != "", "of a ResNet, without mlmt.backbone"),
    Rule("image_discriminator", _PROJECTED,
         lambda c: "projected" not in (_dr(c), _dm(c)),
         "of a projected discriminator"),
    Rule("image_discriminator", _STYLEGAN2,
         lambda c: _dr(c) == "projected" and c.get("encoder", {}).get(
             "kind", "") != "residual",
         "of image_discriminator.kind='stylegan2'"),
    Rule("patch_discriminator", ("num_layers", "num_scales"),
         lambda c: _dm(c) == "projected",
         "of patch_discriminator.kind='patch'"),
    Rule("gan", ("r1_gamma", "r1_every"),
         lambda c: _dr(c) == "projected" and (
             not c.data.num_labeled or _head(c) == "fitted"),
         "of other discriminators than a projected one"),
    Rule("gan", ("path_every", "path_batch_shrink"),
         lambda c: not c.gan.path_length_weight,
         "of a gan.path_length_weight above 0"),
    Rule("gan.augment", ("strength", "target", "images", "maximum"),
         lambda c: not (c.gan.augment.policy or c.gan.augment.pair_policy),
         "of gan.augment.policy or .pair_policy, which are empty"),
    Rule("gan.reconstruction", ("mse_weight", "every", "spread_weight",
                                "learning_rate"),
         lambda c: not c.gan.reconstruction.perceptual_weight,
         "of a gan.reconstruction.perceptual_weight above 0"),
    Rule("perceptual", ("weights",),
         lambda c: _perceptual(c) in ("efficientnet", "discriminator"),
         "of perceptual.kind='lpips_vgg'"),
    Rule("perceptual", ("backbone", "feature_size"),
         lambda c: _perceptual(c) != "efficientnet",
         "of perceptual.kind='efficientnet'"),
    Rule("labels", ("heads",), _fitted_only, "of labels.head='fitted'"),
    Rule("few_shot", ("steps", "epochs"),
         lambda c: c.method == "fewshot_smis",
         "of the other methods; there is pseudo.updates"),
    *(Rule(block, fields, idle, f"of {field}='fitted'")
      for block, fields in (
          ("few_shot", ("kind", "steps", "learning_rate", "weight_decay",
                        "decay", "decay_epochs", "feature_noise")),
          ("hypercolumn", ("size", "first", "layers", "resize")))
      for idle, field in ((_fitted_only, "labels.head"),
                          (_prototypes, "pseudo.labeling"))),
    Rule("inversion", ("start_distance_weight",),
         lambda c: c.inversion.start == "mean",
         "of inversion.start='encoder'; there is .mean_distance_weight"),
    Rule("inversion", ("mean_distance_weight",),
         lambda c: c.inversion.start == "encoder",
         "of inversion.start='mean'; there is .start_distance_weight"),
    Rule("pseudo", ("updates",), _prototypes, "of pseudo.labeling='fitted'"),
    Rule("pseudo", ("layer",), lambda c: c.pseudo.labeling == "fitted",
         "of prototypes, not of pseudo.labeling='fitted'"),
    Rule("pseudo", ("k", "threshold"),
         lambda c: c.pseudo.labeling != "sparse",
         "of pseudo.labeling='sparse'"),
    Rule("shots", ("strokes",),
         lambda c: c.method == "fewshot_smis" and c.shots.annotation == "mask",
         "of shots.annotation='scribbles' or 'points'"),
    Rule("shots", ("trial", "truncation"),
         lambda c: c.method == "repurpose_gan" and c.shots.source == "folder",
         "of another shots.source than 'folder'"),
)


# Method -> blocks that its configs have and none of its stages reads.
_BLOCKS = {
    "fewshot_smis": {
        "inversion": "of semantic_gan and repurpose_gan; shots are inverted as "
                     "the block shots says",
        "distilled": "of semantic_gan"},
    "repurpose_gan": {"distilled": "of semantic_gan"}}
_REFERRED = ("inversion.batch_size",)  # evaluation.batch_size follows it


def notes(config, changed: Iterable[str]) -> list[str]:
  """A line for each changed field that does nothing in this config.

  Args:
    changed: dotted names, as the user gave them.
  """
  lines = []
  for name in changed:
    block, _, field = name.rpartition(".")
    why = _BLOCKS.get(config.method, {}).get(name.partition(".")[0])
    if why and name not in _REFERRED:
      lines.append(f"config.{name} has no effect here: it is {why}")
      continue
    for rule in RULES:
      if rule.block == block and field in rule.fields and rule.idle(config):
        lines.append(
            f"config.{name} has no effect {rule.where}: it is {rule.because}")
        break
  return lines
