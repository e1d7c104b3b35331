"""Ours: procedural faces, 64 px, in and out of domain."""

from configs.tables import base

_STRONG = {f"supervised.color.{k}": v for k, v in dict(
    brightness=0.5, contrast=0.5, saturation=0.8, hue=0.5).items()}


def get_table():
  """See tables/definition.py."""
  rows = lambda **others: base.fitted_head_rows(
      "configs/semantic_gan/toy_faces.py", "+ images without labels",
      fitted=True, run="toy_faces", **others)
  return dict(
      title="Procedural faces, 64 px",
      data=False,
      columns=base.domain_columns((20,), "toy_faces"),
      rows=rows() + rows(changed="any colors", overrides=_STRONG) + [
          row for row in rows(changed="samples in their own colors",
                              overrides={"distilled.styles": 0.0})
          if row["method"] != "supervised"] + [dict(
          name="U-Net, all labels", setting="all labels",
          method="fully_supervised",
          config="configs/semantic_gan/toy_faces.py",
          arguments={"fitted": True},
          overrides={"stages": ("fully_supervised",)},
          note="an upper bound on labels, not a competitor")],
      notes=("mIoU over 7 classes on 96 test images of each domain. Out of "
             "domain: another style.",
             "The generator is the shipped one, trained on images alone.",
             "Any colors: images are changed up to half in brightness and "
             "contrast, 0.8 in saturation and to any hue in training, else "
             "0.3, 0.3, 0.3 and 0.05 of a turn."))
