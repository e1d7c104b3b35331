import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.ops import segmentation_losses as losses


def _random_pair(classes, seed=0, shape=(2, 5, 4)):
  rng = np.random.default_rng(seed)
  logits = rng.normal(size=(*shape, classes)).astype(np.float32)
  label = rng.integers(0, max(2, classes), shape).astype(np.int32)
  return logits, label


def test_cross_entropy_is_minus_log_chance_of_the_label():
  logits, label = _random_pair(3)
  p = np.exp(logits / 0.5) / np.exp(logits / 0.5).sum(-1, keepdims=True)
  expected = -np.log(np.take_along_axis(p, label[..., None], -1)).mean()
  np.testing.assert_allclose(
      losses.cross_entropy(jnp.array(logits), label, temperature=0.5),
      expected, rtol=1e-5)


def test_binary_is_cross_entropy_of_two_classes():
  logits, label = _random_pair(1)
  two = jnp.concatenate([jnp.zeros_like(logits), logits], -1)
  np.testing.assert_allclose(
      losses.binary_cross_entropy(logits, label, temperature=0.3),
      losses.cross_entropy(two, label, temperature=0.3), rtol=1e-5)


@pytest.mark.parametrize(("loss", "classes"), [
    (losses.cross_entropy, 4), (losses.binary_cross_entropy, 1)])
@pytest.mark.parametrize("ignore", [255, -100])
def test_ignored_pixels_change_nothing(loss, classes, ignore):
  logits, label = _random_pair(classes)
  logits, label = jnp.array(logits), np.array(label)
  alone = loss(logits[:1], label[:1], ignore_index=ignore)
  label[1:] = ignore
  value, gradient = jax.value_and_grad(
      lambda x: loss(x, label, ignore_index=ignore))(logits)
  np.testing.assert_allclose(value, alone, rtol=1e-6)
  assert not gradient[1:].any()
  assert gradient[0].any()
  assert loss(logits, np.full_like(label, ignore), ignore_index=ignore) == 0


def test_dice_ignores_pixels_that_are_not_valid():
  logits, label = _random_pair(3)
  label[1:] = 255
  options = dict(include_background=True)
  loss = losses.dice_loss(
      logits, losses.one_hot(label, 3, 255),
      valid=losses.valid_pixels(label, 255), **options)
  alone = losses.dice_loss(
      logits[:1], losses.one_hot(label[:1], 3), **options)
  np.testing.assert_allclose(loss, alone, rtol=1e-6)


def test_dice_is_zero_for_the_truth_and_one_for_its_opposite():
  _, label = _random_pair(3)
  target = losses.one_hot(label, 3)
  sure = 100.0 * (2.0 * target - 1.0)
  np.testing.assert_allclose(losses.dice_loss(sure, target), 0, atol=1e-6)
  np.testing.assert_allclose(losses.dice_loss(-sure, target), 1, atol=1e-6)


def test_one_hot_of_a_binary_label_marks_class_one():
  label = np.array([[[0, 1, 255]]], np.uint8)
  np.testing.assert_array_equal(
      losses.one_hot(label, 1, 255)[0, 0, :, 0], [0, 1, 0])
  np.testing.assert_array_equal(
      losses.one_hot(label, 2, 1)[0, 0], [[1, 0], [0, 0], [0, 0]])


def test_log_cosh_does_not_overflow():
  loss = losses.log_cosh(np.full((1, 1, 1, 1), 1e4, np.float32), 0.0)
  np.testing.assert_allclose(loss, 1e4 - np.log(2), rtol=1e-6)


def test_wrong_shapes_are_named():
  with pytest.raises(ValueError, match=r"\(1, 2, 2\)"):
    losses.cross_entropy(jnp.zeros((1, 2, 2, 3)), np.zeros((1, 2), int))
  with pytest.raises(ValueError, match="one channel"):
    losses.binary_cross_entropy(
        jnp.zeros((1, 2, 2, 3)), np.zeros((1, 2, 2), int))
  with pytest.raises(ValueError, match="no background"):
    losses.dice_loss(jnp.zeros((1, 2, 2, 1)), jnp.zeros((1, 2, 2, 1)))


def test_soft_cross_entropy_of_hard_labels_is_cross_entropy():
  logits = jax.random.normal(jax.random.key(0), (2, 4, 5, 3))
  label = jax.random.randint(jax.random.key(1), (2, 4, 5), 0, 3)
  target = losses.one_hot(label, 3)
  hard = losses.cross_entropy(logits, label)
  np.testing.assert_allclose(
      losses.soft_cross_entropy(logits, target), hard, rtol=1e-5)
  # Each image's own mean first; an image without counted pixels adds 0.
  valid = jnp.zeros((2, 4, 5)).at[0, 0].set(1.0)
  part = losses.cross_entropy(logits[:1, :1], label[:1, :1])
  np.testing.assert_allclose(
      losses.soft_cross_entropy(logits, target, valid), part / 2, rtol=1e-5)
