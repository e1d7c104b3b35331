"""Depthwise convolutions."""

from jax import lax

from semseg_jax.cpu import depthwise
from semseg_jax.cpu import target

_DIMS = ("NHWC", "HWIO", "NHWC")


def depthwise_conv(x, kernel, *, stride=1, dilation=1, padding="same"):
  """Correlates every channel of `x` with a kernel of its own.

  Args:
    x: [N, H, W, C].
    kernel: [kh, kw, 1, C], dtype of x.
    stride: same along both axes.
    dilation: distance of the taps.
    padding: "same" (see `same_padding`) or ((top, bottom), (left, right)).

  Returns [N, H', W', C], with "same" padding H' = ceil(H / stride).

  Raises ValueError: the kernel is not [kh, kw, 1, C].
  """
  if kernel.ndim != 4 or kernel.shape[2:] != (1, x.shape[-1]):
    raise ValueError(
        f"kernel {kernel.shape}: expected [kh, kw, 1, {x.shape[-1]}]")
  if padding == "same":
    padding = same_padding(x.shape[1:3], kernel.shape[:2], stride, dilation)
  return _correlate(x, kernel, stride, dilation, tuple(
      tuple(int(p) for p in pair) for pair in padding))


@target.on_cpu(depthwise.correlate)
def _correlate(x, kernel, stride, dilation, padding):
  return lax.conv_general_dilated(
      x, kernel, (stride, stride), padding,
      rhs_dilation=(dilation, dilation), dimension_numbers=_DIMS,
      feature_group_count=x.shape[-1])


def same_padding(size, kernel, stride=1, dilation=1):
  """TensorFlow's "SAME": ((top, bottom), (left, right)).

  The output has ceil(size / stride) positions; an odd number of zeros puts one
  more after the map than before it.

  Args:
    size: (rows, columns) of the map.
    kernel: (rows, columns) of the kernel.
    stride, dilation: same along both axes.
  """
  pads = []
  for n, k in zip(size, kernel, strict=True):
    total = max((-(-n // stride) - 1) * stride + (k - 1) * dilation + 1 - n, 0)
    pads.append((total // 2, total - total // 2))
  return tuple(pads)
