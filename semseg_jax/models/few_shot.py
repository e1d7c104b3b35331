"""Segmenters of a generator's feature maps, learned from a few images.

RepurposeGAN (Tritrong, Rewatbowornwong, Suwajanakorn: "Repurposing GANs for
One-shot Semantic Part Segmentation", CVPR 2021): a small dilated CNN on
hypercolumns. The first layer acts on the maps before they are resized
(`ops.hypercolumn.convolve`), so the hypercolumn is never formed.
"""

from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from semseg_jax.models import torch_layers
from semseg_jax.ops import dilated_conv
from semseg_jax.ops import hypercolumn

# Kind -> widths of the hidden layers, kernels, dilations, slope, resizing.
# "cnn" is the authors' ("61", its receptive field), "cnn_s", "cnn_m", "cnn_l"
# a notebook's sizes; "linear" and "mlp" see single pixels.
_OFFICIAL = dict(slope=0.01, resize="aligned")
_NOTEBOOK = dict(slope=0.2, resize="nearest")
KINDS = {
    "cnn": dict(widths=(128, *(64,) * 6, 32), kernels=(1, *(3,) * 8),
                dilations=(1, 2, 4, 8, 1, 2, 4, 8, 1), **_OFFICIAL),
    "cnn_s": dict(widths=(128, 64, 64, 32), kernels=(3,) * 5,
                  dilations=(1, 2, 1, 2, 1), **_NOTEBOOK),
    "cnn_m": dict(widths=(128, *(64,) * 4, 32), kernels=(3,) * 7,
                  dilations=(1, 2, 4, 1, 2, 4, 1), **_NOTEBOOK),
    "cnn_l": dict(widths=(128, *(64,) * 6, 32), kernels=(3,) * 9,
                  dilations=(1, 2, 4, 8, 1, 2, 4, 8, 1), **_NOTEBOOK),
    "linear": dict(widths=(), kernels=(1,), dilations=(1,), **_OFFICIAL),
    # As large as DatasetGAN's per-pixel network, with one look around.
    "head": dict(widths=(64, 64), kernels=(1, 3, 1), dilations=(1,) * 3,
                 slope=0.2, resize="aligned"),
    "mlp": dict(widths=(128, 32), kernels=(1,) * 3, dilations=(1,) * 3,
                **_OFFICIAL),
}


class FewShot(nn.Module):
  """Feature maps -> logits [N, H, W, num_classes] float32."""
  num_classes: int  # output channels
  widths: tuple[int, ...]  # channels after each layer but the last
  # kernels, dilations: of each layer; the first has dilation 1.
  kernels: tuple[int, ...]
  dilations: tuple[int, ...]
  slope: float  # of the leaky ReLUs between layers
  resize: str  # "aligned" or "nearest", see `ops.hypercolumn.resize`
  size: int | None = None  # side of the result; None: that of the largest map
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, maps):
    """maps: tuple of [N, h, w, C_i], in the order of the stack."""
    size = (self.size,) * 2 if self.size else hypercolumn.largest(maps)
    widths = (*self.widths, self.num_classes)
    x = None
    for i, (width, k, dilation) in enumerate(zip(
        widths, self.kernels, self.dilations, strict=True)):
      # Float32 logits: losses of many classes lose digits in bfloat16.
      dtype = jnp.float32 if i + 1 == len(widths) else self.dtype
      if i == 0:
        x = FirstConv(width, k, size, self.resize, dtype, name="conv0")(maps)
        continue
      x = jax.nn.leaky_relu(x, self.slope)
      x = DilatedConv(width, k, dilation, dtype, name=f"conv{i}")(x)
    return x


class FirstConv(nn.Module):
  """Convolution of a hypercolumn, given by its maps."""
  features: int
  kernel: int
  size: tuple[int, int]
  resize: str
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, maps):
    weight, bias = _parameters(
        self, self.kernel, sum(m.shape[-1] for m in maps), self.features)
    maps = tuple(m.astype(self.dtype) for m in maps)
    return hypercolumn.convolve(
        maps, weight.astype(self.dtype), self.size, self.resize
    ) + bias.astype(self.dtype)


class DilatedConv(nn.Module):
  """Dilated convolution that keeps the size, PyTorch's initial values."""
  features: int
  kernel: int
  dilation: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x):
    weight, bias = _parameters(
        self, self.kernel, x.shape[-1], self.features)
    return dilated_conv.dilated_conv(
        x.astype(self.dtype), weight.astype(self.dtype), self.dilation
    ) + bias.astype(self.dtype)


def make(kind: str, num_classes: int, **attributes) -> FewShot:
  """The segmenter `kind`, one of `KINDS`; `attributes` override its own."""
  if kind not in KINDS:
    raise ValueError(f"segmenter kind {kind!r}; use one of {sorted(KINDS)}")
  return FewShot(num_classes=num_classes, **KINDS[kind] | attributes)


def layer_names(generator, *, first: int = 8, names=()) -> tuple[str, ...]:
  """Names of a generator's feature maps, in the order of its layers.

  Args:
    generator: a `stylegan2.Generator`.
    first: smallest resolution; 8 in the official code (all but the first map),
      4 in its notebook.
    names: these instead; must be names of styled convolutions.

  Raises ValueError: an unknown name, or none left.
  """
  known = []
  for r in generator.resolutions:
    known += [f"conv{r}_up"] * (r > 4) + [f"conv{r}"]
  unknown = sorted(set(names) - set(known))
  if unknown:
    raise ValueError(
        f"the generator has no layer {unknown[0]!r}; it has {', '.join(known)}")
  chosen = tuple(
      n for n in known
      if (n in names if names else
          int(n.removeprefix("conv").removesuffix("_up")) >= first))
  if not chosen:
    raise ValueError(
        f"no layer of at least {first} px in a generator of {generator.size}")
  return chosen


def _parameters(module, kernel, inputs, features):
  """PyTorch's default initial weight and bias."""
  weight = module.param(
      "kernel", nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform"),
      (kernel, kernel, inputs, features), jnp.float32)
  bias = module.param(
      "bias", torch_layers.uniform((kernel * kernel * inputs) ** -0.5),
      (features,))
  return weight, bias
