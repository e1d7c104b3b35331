"""Ours: coffee leaves, 64 px, in and out of domain."""

from configs.tables import base

_SEMANTIC_GAN = "configs/semantic_gan/coffee_leaf.py"


def get_table():
  """See evaluation/paper_table.py."""
  cpu = {"cpu": True}
  return dict(
      title="Coffee leaves, 64 px",
      columns=base.domain_columns((5, 10, 20, 50), "test", ("ood_test",)),
      rows=[
          dict(name="U-Net", setting="labelled only", config=_SEMANTIC_GAN,
               arguments=cpu, method="supervised", baseline=True),
          dict(name="SemanticGAN, encoder", setting="+ 1,245 unlabelled",
               config=_SEMANTIC_GAN, arguments=cpu, method="encoder"),
          dict(name="SemanticGAN, inversion", setting="+ 1,245 unlabelled",
               config=_SEMANTIC_GAN, arguments=cpu, method="inversion"),
          dict(name="U-Net, all labels", setting="all labels",
               config=_SEMANTIC_GAN, arguments=cpu, method="reference",
               note="an upper bound on labels, not a competitor")],
      notes=("mIoU over 3 classes. Out of domain: the test leaves un-cropped.",
             "No pre-trained weights are used."))
