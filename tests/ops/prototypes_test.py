"""Prototypes and pseudo labels against plain loops, and their edges."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.ops import prototypes

N, SIZE, CELLS, WIDTH, CLASSES = 2, 8, 4, 5, 4


def random_features(seed, share=1.0):
  """(features [N, 4, 4, 5], labels [N, 8, 8]); 0 where nothing is marked."""
  rng = np.random.default_rng(seed)
  features = rng.normal(size=(N, CELLS, CELLS, WIDTH)).astype(np.float32)
  label = rng.integers(0, CLASSES, (N, SIZE, SIZE)).astype(np.int32)
  return features, np.where(rng.random(label.shape) < share, label, 0)


def unit(x):
  return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-8)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 1000))
def test_dense_is_the_mean_over_images_of_means_over_cells(seed):
  features, label = random_features(seed)
  label[label == 3] = 255  # No class: counts nowhere, so class 3 is absent.
  dense = prototypes.dense(features, label, CLASSES)
  cells = label[:, ::2, ::2]
  for c in range(CLASSES):
    means = [f[x == c].mean(0) for f, x in zip(features, cells, strict=True)
             if (x == c).any()]
    expected = unit(np.mean(means, 0)) if means else np.zeros(WIDTH)
    np.testing.assert_allclose(dense.vectors[c], expected, atol=1e-5)
  got = prototypes.label_dense(dense, features)
  cosine = unit(features) @ np.asarray(dense.vectors).T
  np.testing.assert_array_equal(got, cosine.argmax(-1))


@settings(deadline=None, max_examples=5)
@given(st.integers(0, 1000))
def test_every_cell_labels_those_nearest_to_it(seed):
  features, label = random_features(seed)
  others = random_features(seed + 1)[0]
  label[label == 3] = 255  # no class: labels nothing
  every = prototypes.every_cell(features, label, CLASSES)
  got = prototypes.label_dense(every, others)
  cells = label[:, ::2, ::2].ravel()
  cosine = unit(others) @ unit(features.reshape(-1, WIDTH)).T
  expected = cells[np.where(cells < 255, cosine, -2).argmax(-1)]
  np.testing.assert_array_equal(got, expected)
  assert got.dtype == jnp.int32


def test_an_absent_class_wins_where_all_others_are_negative_unless_left_out():
  features = np.ones((1, 2, 2, 3), np.float32)
  dense = prototypes.dense(features, np.zeros((1, 2, 2), np.int32), 3)
  got = prototypes.label_dense(dense, np.stack([features[0], -features[0]]))
  np.testing.assert_array_equal(got, [[[0, 0]] * 2, [[1, 1]] * 2])
  got = prototypes.label_dense(
      prototypes.shown(dense), np.stack([features[0], -features[0]]))
  np.testing.assert_array_equal(got, np.zeros((2, 2, 2)))


@settings(deadline=None, max_examples=6)
@given(st.integers(0, 1000), st.integers(1, 5),
       st.sampled_from([0.0, 0.3, 0.6]), st.integers(0, 3))
def test_sparse_is_the_best_of_each_vectors_k_cells(seed, k, threshold, spare):
  features, label = random_features(seed, share=0.5)
  others = random_features(seed + 1)[0]
  cells = label[:, ::2, ::2]
  count = prototypes.annotated_cells(label, CELLS)
  assert count == (cells > 0).sum()
  # Slots that no cell fills change nothing.
  sparse = prototypes.sparse(features, label, count + spare)
  np.testing.assert_allclose(
      sparse.vectors[:count], unit(features[cells > 0]), atol=1e-5)
  np.testing.assert_array_equal(sparse.classes[:count], cells[cells > 0])
  got = jax.jit(lambda sparse, others: prototypes.label_sparse(
      sparse, others, CLASSES, k=k, threshold=threshold))(sparse, others)
  for image, labeled in zip(others, np.asarray(got), strict=True):
    flat = unit(image.reshape(-1, WIDTH))
    best = np.zeros((CLASSES, len(flat)))
    for vector, c in zip(unit(features[cells > 0]), cells[cells > 0],
                         strict=True):
      cosine = flat @ vector
      for i in np.argsort(-cosine, kind="stable")[:k]:
        if cosine[i] > threshold:
          best[c, i] = max(best[c, i], cosine[i])
    np.testing.assert_array_equal(labeled.ravel(), best.argmax(0))


def test_sparse_edges():
  axes = np.eye(4, dtype=np.float32)
  features = axes[[[0, 1], [2, 3]]][None]
  # Class 2 before class 1 in the image, class 3 nowhere.
  sparse = prototypes.sparse(features, np.array([[[2, 1], [0, 0]]]), 2)
  label = lambda features, **k: np.asarray(prototypes.label_sparse(
      sparse, np.asarray(features, np.float32), 4, **k))[0].tolist()
  # As many cells as there are, and no more, however large k.
  for k in (4, 99):
    assert label(features, k=k, threshold=0.5) == [[2, 1], [0, 0]]
  # Equally near to both: the lower class, whatever the order of vectors.
  tie = (axes[0] + axes[1])[None, None, None]
  assert label(tie, k=1, threshold=0.5) == [[1]]
  # The threshold is a strict bound; nothing below 0 is labeled.
  assert label(features, k=1, threshold=1.0) == [[0, 0], [0, 0]]
  assert label(-features, k=4, threshold=-1.0) == [[0, 0], [0, 0]]
  # Nothing is annotated: nothing is known.
  none = prototypes.sparse(features, np.zeros((1, 2, 2), np.int32), 3)
  assert not np.asarray(prototypes.label_sparse(
      none, features, 4, k=2, threshold=0.0)).any()


def test_labels_depend_on_direction_and_image_alone():
  features, label = random_features(3)
  dense = prototypes.dense(features, label, CLASSES)
  both = prototypes.label_dense(dense, features)
  alone = prototypes.label_dense(dense, 7.0 * features[1:])
  np.testing.assert_array_equal(both[1:], alone)


def test_sizes_must_divide():
  with pytest.raises(ValueError, match="do not reduce evenly to 3 x 3"):
    prototypes.cells(np.zeros((1, 8, 8)), 3)
  with pytest.raises(ValueError, match="do not enlarge evenly to 9"):
    prototypes.enlarge(np.zeros((1, 4, 4)), 9)
  label = np.arange(4).reshape(1, 2, 2)
  np.testing.assert_array_equal(
      prototypes.cells(prototypes.enlarge(label, 6), 2), label)
