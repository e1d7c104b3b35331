"""3x3 convolutions with fewer products (Winograd; Lavin & Gray 2016).

F(m x m, 3 x 3): the map is cut into tiles of m x m outputs, which need
(m + 2) x (m + 2) inputs. Tiles and kernel are moved to a basis in which the
convolution is a product of single positions, one matrix product for each, and
the results are moved back: (m + 2)^2 products for m * m outputs, instead of
9 m * m. Faster where the matrix products outweigh the changes of basis, that is
with many channels; results differ from the direct sum by rounding.
"""

from jax import lax
import jax.numpy as jnp
import numpy as np

# Input, kernel and output transforms for interpolation at 0, 1, -1, (2, -2,)
# infinity.
_TRANSFORMS = {
    2: (np.array([[1, 0, -1, 0],
                  [0, 1, 1, 0],
                  [0, -1, 1, 0],
                  [0, -1, 0, 1]], np.float32),
        np.array([[2, 0, 0],
                  [1, 1, 1],
                  [1, -1, 1],
                  [0, 0, 2]], np.float32) / 2,
        np.array([[1, 1, 1, 0],
                  [0, 1, -1, 1]], np.float32)),
    4: (np.array([[4, 0, -5, 0, 1, 0],
                  [0, -4, -4, 1, 1, 0],
                  [0, 4, -4, -1, 1, 0],
                  [0, -2, -1, 2, 1, 0],
                  [0, 2, -1, -2, 1, 0],
                  [0, 4, 0, -5, 0, 1]], np.float32),
        np.array([[6, 0, 0],
                  [-4, -4, -4],
                  [-4, 4, -4],
                  [1, 2, 4],
                  [1, -2, 4],
                  [0, 0, 24]], np.float32) / 24,
        np.array([[1, 1, 1, 1, 1, 0],
                  [0, 1, -1, 2, -2, 0],
                  [0, 1, 1, 4, 4, 0],
                  [0, 1, -1, 8, -8, 1]], np.float32)),
}


def correlate(x, kernel, pad: int, tile: int = 2):
  """Correlates x with 3x3 kernels.

  Args:
    x: [N, H, W, Ci].
    kernel: [3, 3, Ci, Co].
    pad: zeros on every side of x.
    tile: outputs along a side of a tile, 2 or 4.

  Returns:
    [N, H + 2 * pad - 2, W + 2 * pad - 2, Co].
  """
  return _multiply(x, _kernel_positions(kernel, tile), pad, tile,
                   lambda x, k: x @ k)


def input_gradient(g, kernel, pad: int):
  """Gradient of `correlate` with respect to x, by tiles of 2 x 2.

  That is g correlated with the kernel turned round, whose positions are those
  of the kernel as it is, the first and the last exchanged along rows and
  columns (not with tile 4: 2 would turn into 1/2). Channels are exchanged by
  the product. XLA on CPU would read a transposed kernel with long strides, and
  slowly.

  Args:
    g: [N, H', W', Co], the gradient of the result.
    kernel: [3, 3, Ci, Co].
    pad: as in `correlate`, at most 2.

  Returns:
    [N, H' + 2 - 2 * pad, W' + 2 - 2 * pad, Ci].
  """
  around = (3, 1, 2, 0)
  positions = _kernel_positions(kernel, 2)
  positions = [[positions[i][j] for j in around] for i in around]
  return _multiply(g, positions, 2 - pad, 2,
                   lambda g, k: jnp.einsum("...o,io->...i", g, k))


def _kernel_positions(kernel, tile):
  """Rows of columns of the transformed kernel's positions, [Ci, Co]."""
  basis = _TRANSFORMS[tile][1]
  columns = [_combine(basis, [kernel[i, j] for i in range(3)])
             for j in range(3)]
  return [_combine(basis, row) for row in zip(*columns, strict=True)]


def _multiply(x, positions, pad, tile, product):
  """The map's positions times those of a kernel, and back to a map."""
  back = _TRANSFORMS[tile][2]
  n, h, w, _ = x.shape
  h, w = h + 2 * pad - 2, w + 2 * pad - 2
  products = [
      [product(position, k) for position, k in zip(*rows, strict=True)]
      for rows in zip(
          _input_positions(x, pad, h, w, tile), positions, strict=True)]
  # Columns of positions first, then rows.
  half = [_combine(back, row) for row in products]
  parts = [_combine(back, column) for column in zip(*half, strict=True)]
  y = jnp.stack([jnp.stack(p, 3) for p in zip(*parts, strict=True)], 2)
  rows, columns = -(-h // tile), -(-w // tile)
  return y.reshape(n, rows * tile, columns * tile, -1)[:, :h, :w]


def weight_gradient(x, g, pad: int, tile: int = 2):
  """Gradient of `correlate` with respect to the kernel.

  Args:
    x: [N, H, W, Ci], what was correlated.
    g: [N, H', W', Co], the gradient of the result.
    pad, tile: as there.

  Returns:
    [3, 3, Ci, Co].
  """
  _, basis, back = _TRANSFORMS[tile]
  h, w, outputs = g.shape[1:]
  positions = _input_positions(x, pad, h, w, tile)
  g = jnp.pad(g, ((0, 0), (0, -h % tile), (0, -w % tile), (0, 0)))
  lines = _combine(back.T, [g[:, i::tile] for i in range(tile)])
  parts = [_combine(back.T, [line[:, :, j::tile] for j in range(tile)])
           for line in lines]
  # Stacked, for XLA would write each position of a product of its own
  # transposed, with long strides.
  flat = lambda rows: jnp.stack(
      [x.reshape(-1, x.shape[-1]) for row in rows for x in row])
  products = jnp.einsum("kpi,kpo->kio", flat(positions), flat(parts))
  products = products.reshape(tile + 2, tile + 2, -1, outputs)
  columns = [_combine(basis.T, list(products[:, j])) for j in range(tile + 2)]
  return jnp.stack([
      jnp.stack(_combine(basis.T, row)) for row in zip(*columns, strict=True)])


def _input_positions(x, pad, h, w, tile):
  """Rows of columns of the transformed tiles' positions, [N, rows, columns, C].

  `h` and `w` are the sides of the result.
  """
  forth = _TRANSFORMS[tile][0]
  rows, columns = -(-h // tile), -(-w // tile)
  need = lambda tiles, size: tiles * tile + 2 - size - pad
  x = jnp.pad(x, ((0, 0), (pad, need(rows, x.shape[1])),
                  (pad, need(columns, x.shape[2])), (0, 0)))
  every = lambda x, axis, start, count: lax.slice_in_dim(
      x, start, start + (count - 1) * tile + 1, tile, axis)
  lines = _combine(forth, [every(x, 1, i, rows) for i in range(tile + 2)])
  return [
      _combine(forth, [every(line, 2, j, columns) for j in range(tile + 2)])
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
