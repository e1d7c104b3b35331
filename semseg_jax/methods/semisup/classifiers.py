"""The image classifier of a config: which classes an image shows."""

import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax.data import transforms
from semseg_jax.interop import pretrained
from semseg_jax.methods.common import segmenter
from semseg_jax.methods.common import trained
from semseg_jax.models import efficientnet_lite
from semseg_jax.models import resnet
from semseg_jax.training import checkpoint


def build(config):
  """The ResNet or EfficientNet-Lite that `config.mlmt` describes.

  Raises:
    ValueError: unknown pooling or backbone, or images normalized otherwise.
  """
  c = config.mlmt
  if c.pooling not in ("mean", "max"):
    raise ValueError(
        f"config.mlmt.pooling is {c.pooling!r}; choose 'mean' or 'max'")
  if c.backbone and (
      c.backbone not in efficientnet_lite.NAMES or c.normalize != "unit"):
    raise ValueError(
        f"config.mlmt.backbone is {c.backbone!r} and normalize "
        f"{c.normalize!r}; choose one of {list(efficientnet_lite.NAMES)} with "
        "'unit', or '' for a ResNet")
  if c.backbone:
    return efficientnet_lite.Classifier(
        num_classes=config.data.num_classes,
        variant=efficientnet_lite.NAMES[c.backbone],
        output_stride=c.output_stride, pooling=c.pooling,
        dtype=jnp.dtype(config.dtype))
  return resnet.Classifier(
      num_classes=config.data.num_classes, depth=c.depth, width=c.width,
      blocks=tuple(c.blocks) or None, output_stride=c.output_stride,
      pooling=c.pooling, dtype=jnp.dtype(config.dtype))


def shape(config) -> tuple[int, int]:
  """(height, width) of a view."""
  return tuple(config.mlmt.shape) or (config.data.size,) * 2


def initial(config, workdir):
  """Variables to start from; {} if there are none.

  Those of the file `config.mlmt.weights`, or ImageNet's of `config.mlmt.
  backbone`; that of the segmenter that the stage `config.mlmt.start` has
  trained comes before ImageNet's.

  Raises:
    ValueError: weights and start are named, or the segmenter has no backbone.
    FileNotFoundError: no such file, or the stage has no checkpoint.
  """
  c = config.mlmt
  segmenter_config = config.segmenter
  no_backbone = (segmenter_config.network == "unet"
                 and not segmenter_config.backbone)
  if c.start and (c.weights or no_backbone):
    raise ValueError(
        f"config.mlmt.start is {c.start!r}: it needs a DeepLab in "
        "config.segmenter.network, or a backbone, and an empty "
        "config.mlmt.weights")
  given = trained.converted(c.weights, "config.mlmt.weights")
  if c.backbone and not given:
    given = pretrained.variables(c.backbone, config.pretrained)
  if not c.start:
    return given
  variables = segmenter.variables_of(
      config, workdir, c.start, "mlmt",
      name="teacher" if c.start == "mean_teacher" else "network")
  return {kind: {**given.get(kind, {}), "backbone": tree["backbone"]}
          for kind, tree in variables.items()}


def scorer(config, module):
  """score(variables, images) -> sigmoids [N, C] float32, NumPy.

  `images` is a list of uint8 [H, W, C] of any sizes.
  """

  @jax.jit
  def score(variables, image):
    return jax.nn.sigmoid(segmenter.forward(
        module, variables, segmenter.normalized(config, image, "mlmt"),
        train=False)[0])

  def run(variables, images):
    batch = np.stack([
        transforms.resize_image(x, shape(config)) for x in images])
    return np.asarray(jax.device_get(score(variables, batch)))

  return run


def restored(config, workdir, stage_name: str):
  """scores(images) of the teacher of a trained stage.

  Raises FileNotFoundError: the stage has no checkpoint.
  """
  module = build(config)
  abstract = jax.eval_shape(
      lambda key: segmenter.init(
          module, key, shape(config), segmenter.channels(config, "mlmt")),
      jax.random.key(0))
  variables = trained.restored(
      workdir, stage_name, {"teacher": abstract}, "evaluation",
      step=checkpoint.best)["teacher"]
  score = scorer(config, module)
  return lambda images: score(variables, images)
