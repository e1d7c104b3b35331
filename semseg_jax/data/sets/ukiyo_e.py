"""`ukiyo_e`: 5209 aligned faces of Japanese woodblock prints.

  ukiyoe-1024*/<id>.jpg                 1024 x 1024

`unlabeled`, and the masks that are beside the images (see `few_shot`), in
the eight classes of Fewshot-SMIS, whose names are not published; 0 is unknown.
"""

from semseg_jax.data import archives
from semseg_jax.data import datasets
from semseg_jax.data import few_shot

ARCHIVE = archives.Archive(
    "ukiyo_e", "Justin Pinkney's aligned ukiyo-e faces dataset (1024 px)",
    ("ukiyoe-1024*/**/*.jpg",))


def make(*, data_dir=None, cache_dir=None, size=None, **_):
  """See `datasets.load`."""
  spec = datasets.Spec(
      name="ukiyo_e", licence="CC BY-SA 4.0",
      **few_shot.classes(8, ("unknown",)),
      citation="Pinkney: Aligned ukiyo-e faces dataset, 2020")
  return few_shot.open_images(
      ARCHIVE, spec, "ukiyoe-1024*/**/{id}.jpg", data_dir=data_dir,
      cache_dir=cache_dir, size=size, expect=5209)
