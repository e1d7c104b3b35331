"""A Fewshot-SMIS config of 16 px and a few channels."""

from configs.fewshot_smis import toy_faces

SIZE = 16


def config(labeling="dense", **changes):
  c = toy_faces.get_config(f"shots=2,labeling={labeling},smoke")
  c.data.update(size=SIZE, num_unlabeled=16)
  c.generator.update(style_dim=8, mlp_layers=1, max_channels=4)
  c.image_discriminator.max_channels = 4
  c.supervised.update(levels=1, steps=2)
  c.encoder.update(widths=(2, 3, 4, 5), steps=2)
  c.monitor.samples = 8
  c.evaluation.limit = 3
  c.synthesis.update(styles="2-9", samples=1)
  c.log.update(log_every=1, sample_every=2, eval_every=2, checkpoint_every=2)
  c.update_from_flattened_dict(changes)
  return c.lock()
