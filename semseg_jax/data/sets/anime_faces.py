"""`anime_faces`: drawn portraits, cropped from Danbooru.

  portraits/**/<id>.jpg                 512 x 512

`unlabeled`, and the masks that are beside the images (see `few_shot`), in
the two classes of Fewshot-SMIS, whose names are not published; 0 is unknown.
"""

from semseg_jax.data import archives
from semseg_jax.data import datasets
from semseg_jax.data import few_shot

ARCHIVE = archives.Archive(
    "anime_faces", "the Danbooru2019 portraits dataset (512 px)",
    ("portraits/**/*.jpg",))


def make(*, data_dir=None, cache_dir=None, size=None, **_):
  """See `datasets.load`."""
  spec = datasets.Spec(
      name="anime_faces", licence="none stated: drawings of many hands",
      **few_shot.classes(2, ("unknown",)),
      citation=(
          "Branwen, Anonymous, The Danbooru Community: Danbooru2019 portraits, "
          "2019"))
  return few_shot.open_images(
      ARCHIVE, spec, "portraits/**/{id}.jpg", data_dir=data_dir,
      cache_dir=cache_dir, size=size)
