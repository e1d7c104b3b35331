"""Dilated convolutions that keep the map's size."""

from jax import lax

from semseg_jax.cpu import dilated
from semseg_jax.cpu import target

_DIMS = ("NHWC", "HWIO", "NHWC")


@target.on_cpu(dilated.correlate)
def dilated_conv(x, kernel, dilation: int):
  """Correlates x with a kernel whose taps lie `dilation` pixels apart.

  Args:
    x: [N, H, W, Ci]; zeros lie around it.
    kernel: [kh, kw, Ci, Co] with kh and kw odd, dtype of x.
    dilation: distance of the taps.

  Returns [N, H, W, Co].
  """
  pad = [(dilation * (k // 2),) * 2 for k in kernel.shape[:2]]
  return lax.conv_general_dilated(
      x, kernel, (1, 1), pad, rhs_dilation=(dilation, dilation),
      dimension_numbers=_DIMS)
