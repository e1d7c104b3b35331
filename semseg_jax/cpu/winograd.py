"""3x3 convolutions with fewer products (Winograd; Lavin & Gray 2016).

F(m x m, 3 x 3), m = 2: the map is cut into tiles of m x m outputs, which need
(m + 2) x (m + 2) inputs. Tiles and kernel are moved to a basis in which the
convolution is a product of single positions, one matrix product for each, and
the results are moved back: (m + 2)^2 products for m * m outputs, instead of
9 m * m. Faster where the matrix products outweigh the changes of basis, that is
with many channels; results differ from the direct sum by rounding.
"""

from jax import lax
import jax.numpy as jnp
import numpy as np

# Transforms of input, kernel and output, for interpolation at 0, 1, -1 and
# infinity, by tiles of 2 x 2 outputs.
_TILE = 2
_INPUT = np.array([[1, 0, -1, 0],
                   [0, 1, 1, 0],
                   [0, -1, 1, 0],
                   [0, -1, 0, 1]], np.float32)
_KERNEL = np.array([[2, 0, 0],
                    [1, 1, 1],
                    [1, -1, 1],
                    [0, 0, 2]], np.float32) / 2
_OUTPUT = np.array([[1, 1, 1, 0],
                    [0, 1, -1, 1]], np.float32)


def correlate(x, kernel, pad: int):
  """Correlates x with 3x3 kernels.

  Args:
    x: [N, H, W, Ci].
    kernel: [3, 3, Ci, Co].
    pad: zeros on every side of x.

  Returns [N, H + 2 * pad - 2, W + 2 * pad - 2, Co].
  """
  return _multiply(x, _kernel_positions(kernel), pad, lambda x, k: x @ k)


def input_gradient(g, kernel, pad: int):
  """Gradient of `correlate` with respect to x.

  That is g correlated with the kernel turned round, whose positions are those
  of the kernel as it is, the first and the last exchanged along rows and
  columns. Channels are exchanged by the product. XLA on CPU would read a
  transposed kernel with long strides, and slowly.

  Args:
    g: [N, H', W', Co], the gradient of the result.
    kernel: [3, 3, Ci, Co].
    pad: as in `correlate`, at most 2.

  Returns [N, H' + 2 - 2 * pad, W' + 2 - 2 * pad, Ci].
  """
  around = (3, 1, 2, 0)
  positions = _kernel_positions(kernel)
  positions = [[positions[i][j] for j in around] for i in around]
  return _multiply(g, positions, 2 - pad,
                   lambda g, k: jnp.einsum("...o,io->...i", g, k))


def _kernel_positions(kernel):
  """Rows of columns of the transformed kernel's positions, [Ci, Co]."""
  columns = [_combine(_KERNEL, [kernel[i, j] for i in range(3)])
             for j in range(3)]
  return [_combine(_KERNEL, row) for row in zip(*columns, strict=True)]


def _multiply(x, positions, pad, product):
  """The map's positions times those of a kernel, and back to a map."""
  n, h, w, _ = x.shape
  h, w = h + 2 * pad - 2, w + 2 * pad - 2
  products = [
      [product(position, k) for position, k in zip(*rows, strict=True)]
      for rows in zip(
          _input_positions(x, pad, h, w), positions, strict=True)]
  # Columns of positions first, then rows.
  half = [_combine(_OUTPUT, row) for row in products]
  parts = [_combine(_OUTPUT, column) for column in zip(*half, strict=True)]
  y = jnp.stack([jnp.stack(p, 3) for p in zip(*parts, strict=True)], 2)
  rows, columns = -(-h // _TILE), -(-w // _TILE)
  return y.reshape(n, rows * _TILE, columns * _TILE, -1)[:, :h, :w]


def weight_gradient(x, g, pad: int):
  """Gradient of `correlate` with respect to the kernel.

  Args:
    x: [N, H, W, Ci], what was correlated.
    g: [N, H', W', Co], the gradient of the result.
    pad: as there.

  Returns [3, 3, Ci, Co].
  """
  h, w = g.shape[1:3]
  positions = _input_positions(x, pad, h, w)
  g = jnp.pad(g, ((0, 0), (0, -h % _TILE), (0, -w % _TILE), (0, 0)))
  lines = _combine(_OUTPUT.T, [g[:, i::_TILE] for i in range(_TILE)])
  parts = [_combine(_OUTPUT.T, [line[:, :, j::_TILE] for j in range(_TILE)])
           for line in lines]
  # The gradient on the left: otherwise XLA writes each position transposed,
  # with long strides.
  flat = lambda x: x.reshape(-1, x.shape[-1])
  products = [
      [jnp.einsum("po,pi->oi", flat(y), flat(x)).T for x, y in zip(
          *rows, strict=True)]
      for rows in zip(positions, parts, strict=True)]
  columns = [_combine(_KERNEL.T, column)
             for column in zip(*products, strict=True)]
  return jnp.stack([jnp.stack(_combine(_KERNEL.T, row))
                    for row in zip(*columns, strict=True)])


def _input_positions(x, pad, h, w):
  """Rows of columns of the transformed tiles' positions, [N, rows, columns, C].

  `h` and `w` are the sides of the result.
  """
  rows, columns = -(-h // _TILE), -(-w // _TILE)
  need = lambda tiles, size: tiles * _TILE + 2 - size - pad
  x = jnp.pad(x, ((0, 0), (pad, need(rows, x.shape[1])),
                  (pad, need(columns, x.shape[2])), (0, 0)))
  every = lambda x, axis, start, count: lax.slice_in_dim(
      x, start, start + (count - 1) * _TILE + 1, _TILE, axis)
  lines = _combine(_INPUT, [every(x, 1, i, rows) for i in range(_TILE + 2)])
  return [
      _combine(_INPUT, [every(line, 2, j, columns) for j in range(_TILE + 2)])
      for line in lines]


def _combine(matrix, parts):
  """Sums of `parts` with the weights of each row; zeros are left out."""
  combined = []
  for row in matrix:
    total = None
    for weight, part in zip(row, parts, strict=True):
      if weight:
        term = part if weight == 1 else -part if weight == -1 else (
            jnp.asarray(weight, part.dtype) * part)
        total = term if total is None else total + term
    combined.append(total)
  return combined
