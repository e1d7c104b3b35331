"""`pascal_voc`: PASCAL VOC 2012 segmentation; variant "aug" adds SBD's masks.

  VOCdevkit/VOC2012/JPEGImages/<id>.jpg
  VOCdevkit/VOC2012/SegmentationClass/<id>.png      palette; 255 = border
  VOCdevkit/VOC2012/ImageSets/Segmentation/{train,val}.txt
  aug: benchmark_RELEASE/dataset/{train,val}.txt, cls/<id>.mat (GTcls), or
       VOCdevkit/VOC2012/SegmentationClassAug/<id>.png

Splits `train` (1464; aug: 10582) and `val` (1449). The augmented images are
those of VOC's train and SBD's both lists without VOC's val, in the order of
their ids; images of VOC's train keep VOC's masks.
"""

from semseg_jax.data import archives
from semseg_jax.data import datasets
from semseg_jax.data import id_lists
from semseg_jax.data import image_files
from semseg_jax.data import matlab
from semseg_jax.data import pascal
from semseg_jax.data import store
from semseg_jax.data.formats import image_index

VARIANTS = ("aug",)
_VOC = "VOCdevkit/VOC2012"
_AUG = f"{_VOC}/SegmentationClassAug"
_SBD = "benchmark_RELEASE/dataset"
_NEEDS = (
    f"{_VOC}/JPEGImages/*.jpg", f"{_VOC}/SegmentationClass/*.png",
    f"{_VOC}/ImageSets/Segmentation/train.txt",
    f"{_VOC}/ImageSets/Segmentation/val.txt")
_PAGE = "the PASCAL VOC challenge 2012's page (training/validation data)"
ARCHIVE = archives.Archive("pascal_voc", _PAGE, _NEEDS)
WITH_SBD = archives.Archive(
    "pascal_voc",
    f"{_PAGE} and Berkeley's Semantic Boundaries Dataset and Benchmark",
    (*_NEEDS, f"{_SBD}/cls/*.mat", f"{_SBD}/train.txt", f"{_SBD}/val.txt"))


def make(*, data_dir=None, cache_dir=None, variant="", **_):
  """See `datasets.load`."""
  root = ARCHIVE.locate(data_dir)
  lists = {
      split: id_lists.read(
          root / _VOC / f"ImageSets/Segmentation/{split}.txt")
      for split in ("train", "val")}
  # Where the mask of an image lies.
  masks = {i: f"{_VOC}/SegmentationClass/{i}.png"
           for ids in lists.values() for i in ids}
  if variant:
    masks = _augmented(root, data_dir, set(lists["val"])) | masks
    lists["train"] = tuple(sorted(masks.keys() - set(lists["val"])))
  items = {}
  for key, mask in masks.items():
    image = root / _VOC / f"JPEGImages/{key}.jpg"
    if image.is_file() and (root / mask).is_file():
      items[key] = store.Item(key, str(image), (str(root / mask),))
  splits = ARCHIVE.listed(list(items.values()), lists)
  spec = datasets.Spec(
      name=datasets.full_name("pascal_voc", variant),
      class_names=pascal.CLASSES, colors=pascal.palette(21),
      licence=pascal.LICENCE,
      citation=pascal.CITATION + (
          "; Hariharan et al.: Semantic contours from inverse detectors, ICCV "
          "2011" if variant else ""))
  sources = store.open_splits(spec, splits, cache_dir=cache_dir, read=read)
  return datasets.Dataset(
      spec, sources, id_lists.label_orders("pascal_voc", sources["train"].ids))


def _augmented(root, data_dir, val):
  """id -> mask of the images that SBD adds."""
  if (root / _AUG).is_dir():
    return {path.stem: f"{_AUG}/{path.name}"
            for path in image_index.visible(root / _AUG, "*.png")
            if path.stem not in val}
  WITH_SBD.locate(data_dir)
  ids = {i for split in ("train", "val")
         for i in id_lists.read(root / _SBD / f"{split}.txt")}
  return {i: f"{_SBD}/cls/{i}.mat" for i in ids - val}


def read(item: store.Item, channels: int):
  """A `store.Read` of masks in PNG or SBD's .mat files."""
  path, = item.masks
  if not path.endswith(".mat"):
    return store.read_files(item, channels)
  return (image_files.read_bytes(item.image),
          matlab.load(path, "GTcls").Segmentation)
