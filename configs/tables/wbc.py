"""Ours: white blood cells, 64 px, in and out of domain."""

from configs.tables import base

_SEMANTIC_GAN = "configs/semantic_gan/wbc.py"


def get_table():
  """See evaluation/paper_table.py."""
  cpu = {"cpu": True}
  return dict(
      title="White blood cells, 64 px",
      columns=base.domain_columns((5, 10, 20, 50), "test", ("ood_val",)),
      rows=[
          dict(name="U-Net", setting="labelled only", config=_SEMANTIC_GAN,
               arguments=cpu, method="supervised", baseline=True),
          dict(name="SemanticGAN, encoder", setting="pool of 200, unlabelled",
               config=_SEMANTIC_GAN, arguments=cpu, method="encoder"),
          dict(name="SemanticGAN, inversion", setting="pool of 200, unlabelled",
               config=_SEMANTIC_GAN, arguments=cpu, method="inversion"),
          dict(name="U-Net, all labels", setting="all labels",
               config=_SEMANTIC_GAN, arguments=cpu, method="reference",
               note="an upper bound on labels, not a competitor")],
      notes=("mIoU over 3 classes. Out of domain: another stain.",
             "No pre-trained weights are used."))
