"""U-Net: sizes, learning, statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.models import unet


@pytest.mark.parametrize(
    ("shape", "classes"), [((2, 16, 24, 3), 5), ((1, 8, 8, 1), 1)])
def test_logits_have_the_images_size(shape, classes):
  module = unet.UNet(num_classes=classes, width=4, levels=3)
  image = jax.random.normal(jax.random.key(0), shape)
  logits, _ = jax.eval_shape(
      lambda: module.init_with_output(jax.random.key(1), image))
  assert logits.shape == (*shape[:3], classes)
  assert logits.dtype == jnp.float32


def test_indivisible_size_is_an_error():
  module = unet.UNet(num_classes=2, width=4, levels=3)
  with pytest.raises(ValueError, match="8 divides"):
    module.init(jax.random.key(0), jnp.zeros((1, 20, 16, 3)))


def test_learns_a_threshold_and_predicts_it_without_batch_statistics():
  module = unet.UNet(num_classes=1, width=4, levels=1)
  image = jax.random.uniform(
      jax.random.key(0), (4, 16, 16, 1), minval=-1, maxval=1)
  target = (image > 0.2).astype(jnp.float32)
  variables = jax.jit(module.init)(jax.random.key(1), image)
  params, stats = variables["params"], variables["batch_stats"]

  @jax.jit
  def step(params, stats):
    def loss_fn(params):
      logits, changed = module.apply(
          {"params": params, "batch_stats": stats}, image, train=True,
          mutable=["batch_stats"])
      loss = jnp.mean(jax.nn.softplus(logits) - target * logits)
      return loss, changed["batch_stats"]

    (loss, stats_), grads = jax.value_and_grad(loss_fn, has_aux=True)(params)
    params = jax.tree.map(lambda p, g: p - 0.5 * g, params, grads)
    return params, stats_, loss

  for _ in range(60):
    params, stats, loss = step(params, stats)
  logits = module.apply({"params": params, "batch_stats": stats}, image)
  correct = np.mean((np.asarray(logits) > 0) == (np.asarray(target) > 0))
  assert loss < 0.3
  assert correct > 0.9
  assert stats["bottom"]["bn1"]["count"] == 60


def test_other_images_of_the_batch_do_not_matter_in_evaluation():
  module = unet.UNet(num_classes=2, width=4, levels=2)
  image = jax.random.normal(jax.random.key(0), (3, 8, 8, 3))
  variables = jax.jit(module.init)(jax.random.key(1), image)
  apply = jax.jit(module.apply)
  together = apply(variables, image)
  alone = apply(variables, image[1:2])
  np.testing.assert_allclose(together[1:2], alone, atol=1e-5)
