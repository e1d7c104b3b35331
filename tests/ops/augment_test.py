import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.ops import augment

N = 16
RNGS = augment.augment_rngs(jax.random.key(0), N)
IMAGE = jax.random.uniform(jax.random.key(1), (N, 8, 8, 3), minval=-1)


def apply(policy, strength=1.0, image=IMAGE, label=None):
  return augment.augment(
      RNGS, image, label, policy=policy, strength=strength)


def test_strength_zero_is_identity():
  np.testing.assert_array_equal(apply(augment.GROUPS, 0.0), IMAGE)


def test_strength_is_a_probability_per_sample():
  n = 2000
  rngs = augment.augment_rngs(jax.random.key(2), n)
  ramp = jnp.broadcast_to(jnp.arange(4.0)[None, None, :, None], (n, 1, 4, 1))
  flipped = augment.augment(rngs, ramp, policy=("flip",), strength=0.3)
  share = float(jnp.mean(flipped[:, 0, 0, 0] == 3))
  np.testing.assert_allclose(share, 0.3, atol=0.04)


def test_traced_strength_compiles_once():
  f = jax.jit(lambda s: augment.augment(RNGS, IMAGE, strength=s))
  assert not np.array_equal(f(0.0), f(1.0))
  assert f._cache_size() == 1


@pytest.mark.parametrize("group", ["flip", "translation", "cutout"])
def test_pixels_of_pairs_move_together(group):
  image, label = apply((group,), 0.7, label=IMAGE)
  np.testing.assert_array_equal(image, label)
  assert not np.array_equal(image, IMAGE)


def test_color_leaves_labels_alone():
  image, label = apply(("color",), label=IMAGE)
  np.testing.assert_array_equal(label, IMAGE)
  assert not np.allclose(image, IMAGE)


def test_flip_mirrors_columns():
  np.testing.assert_array_equal(apply(("flip",)), IMAGE[:, :, ::-1])


def test_translation_shifts_within_an_eighth():
  moved = np.asarray(apply(("translation",)))
  shifts = set()
  for x, y in zip(np.asarray(IMAGE), moved, strict=True):
    fits = []
    for dy in (-1, 0, 1):
      for dx in (-1, 0, 1):
        padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
        part = padded[1 - dy:9 - dy, 1 - dx:9 - dx]
        if np.array_equal(part, y):
          fits.append((dy, dx))
    assert len(fits) == 1
    shifts.update(fits)
  assert len(shifts) > 4


def test_cutout_empties_a_box():
  mask = np.asarray(apply(("cutout",), image=jnp.ones((N, 8, 8, 1))))[..., 0]
  assert set(np.unique(mask)) == {0.0, 1.0}
  for m in mask:
    rows, cols = np.where((m == 0).any(1))[0], np.where((m == 0).any(0))[0]
    assert 2 <= len(rows) <= 4
    assert 2 <= len(cols) <= 4
    assert not m[rows[0]:rows[-1] + 1, cols[0]:cols[-1] + 1].any()


def test_color_by_its_formulas():
  # Contrast keeps the mean, brightness moves it, saturation keeps the gray.
  out = apply(("color",))
  np.testing.assert_allclose(
      out.mean((1, 2, 3)),
      IMAGE.mean((1, 2, 3)) + RNGS["brightness"] - 0.5, atol=1e-5)
  spread = lambda x: jnp.std(x - x.mean(3, keepdims=True), (1, 2, 3))
  np.testing.assert_allclose(
      spread(out),
      spread(IMAGE) * 2 * RNGS["saturation"] * (RNGS["contrast"] + 0.5),
      rtol=1e-4)


def test_gradient_matches_differences():
  f = lambda x: jnp.sum(jnp.sin(augment.augment(
      RNGS, x, policy=augment.GROUPS, strength=0.8)))
  direction = jax.random.normal(jax.random.key(3), IMAGE.shape)
  slope = jnp.vdot(jax.grad(f)(IMAGE), direction)
  step = 1e-3
  difference = (f(IMAGE + step * direction) - f(IMAGE - step * direction))
  np.testing.assert_allclose(slope, difference / (2 * step), rtol=2e-2)


def test_unknown_group_is_an_error():
  with pytest.raises(ValueError, match="unknown groups"):
    apply(("colour",))
