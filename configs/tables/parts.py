"""Ours: procedural faces, 32 px, in and out of domain."""

from configs.tables import base

_SEMANTIC_GAN = "configs/semantic_gan/parts.py"


def get_table():
  """See evaluation/paper_table.py."""
  return dict(
      title="Procedural faces (parts), 32 px",
      data=False,
      columns=base.domain_columns((5, 20, 100, 500), "test", ("ood_test",)),
      rows=[
          dict(name="U-Net", setting="labelled only", config=_SEMANTIC_GAN,
               method="supervised", baseline=True),
          dict(name="SemanticGAN, encoder", setting="+ 2,000 unlabelled",
               config=_SEMANTIC_GAN, method="encoder"),
          dict(name="SemanticGAN, inversion", setting="+ 2,000 unlabelled",
               config=_SEMANTIC_GAN, method="inversion"),
          dict(name="U-Net, all labels", setting="1,500 labels",
               config=_SEMANTIC_GAN, method="reference",
               note="an upper bound on labels, not a competitor")],
      notes=("mIoU over 7 classes on 96 test pictures of each domain.",))
