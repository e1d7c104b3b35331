"""How good synthesised images are, and how well they follow their layouts.

The layouts are the masks of a split. A segmenter trained on all real labels
(stage `fully_supervised`) labels each image; its mIoU against the layout says
how well the image follows it. The distance is FID where `monitor.inception`
names a file, else the Frechet distance of the run's own features (see
monitoring.py). Rows: the encoder's images, in their own and in random styles,
and beside them random samples (the floor), the image of the shot with the
nearest mask, and the real images (the ceiling). `share` is where a row stands
between floor and ceiling; None where the ceiling is no higher. With dense
labeling a last row scores samples against their own pseudo labels: what the
encoder is trained on. Writes table.json, table.md, grid.png and
pseudo_labels.png to WORKDIR/synthesis/SPLIT, and a record, with a method for
each row, to WORKDIR/synthesis/eval/SPLIT.

`study` instead trains an encoder for each map of the generator (default: the
config's) and, if the labeling is sparse, each of its parameters, in
WORKDIR/study/..., and writes WORKDIR/study/table.json; with encoder.steps = 0
it only judges the pseudo labels.
"""

import itertools
import time

from etils import epath
import jax
import numpy as np

from semseg_jax import experiment
from semseg_jax import lineage
from semseg_jax import monitoring
from semseg_jax.data import datasets
from semseg_jax.data import transforms
from semseg_jax.evaluation import figures
from semseg_jax.evaluation import tables
from semseg_jax.methods import fully_supervised
from semseg_jax.methods.common import data
from semseg_jax.methods.common import generators
from semseg_jax.methods.fewshot_smis import encoder
from semseg_jax.methods.fewshot_smis import pseudo_labels
from semseg_jax.methods.fewshot_smis import shots as shots_lib
from semseg_jax.methods.fewshot_smis import synthesis
from semseg_jax.ops import image_ops
from semseg_jax.ops import scores

_BATCH = 8
_ROWS = 8  # of the figure
_SHOWN = 8  # pseudo-labeled samples in theirs


def evaluate(config, workdir, *, split: str = "") -> list[dict]:
  """Scores a run on the masks of a split; see the module's docstring.

  Returns the rows of the table, values in [0, 1] and distances.
  """
  started = time.monotonic()
  split = split or config.data.in_domain
  experiment.check_run(config, workdir)
  lineage.check(config, workdir)
  synth = synthesis.Synthesizer(config, workdir)
  judge = Judge(config, workdir)
  real, layout = encoder.annotated(
      config, synth.labeler.size, config.evaluation.limit, split)
  truth = _masks(config, split, len(real))
  style_key, random_key = jax.random.split(jax.random.key(config.seed))
  latents = synth.encode(np.where(
      layout < 0, data.ignore_index(config), layout))
  own = synth.render(latents)
  styles = synthesis.parse_styles(config.synthesis.styles)
  mixed = [synth.mixed(latents, jax.random.fold_in(style_key, i), styles=styles,
                       alpha=config.synthesis.alpha)
           for i in range(max(1, config.synthesis.samples))]
  shots = shots_lib.read(config)
  rendered = {
      "synthesis": own,
      "synthesis, random styles": mixed[0],
      "random sample": synth.random(len(real), random_key),
      "nearest shot": shots.image[_nearest(
          layout, shots.label, config.pseudo.labeling == "sparse")],
      "real image": real}
  rows = [{"images of": name} | judge(images, truth)
          for name, images in rendered.items()]
  if config.pseudo.labeling != "sparse" and not config.encoder.weights:
    _, images, label = synth.pairs(len(real), random_key)
    rows.append({"images of": "sample, its own pseudo label"} | judge(
        images, label))
  floor, ceiling = (
      next(r["miou"] for r in rows if r["images of"] == name)
      for name in ("random sample", "real image"))
  for row in rows:
    row["share"] = (row["miou"] - floor) / (
        ceiling - floor) if ceiling > floor else None
  folder = workdir / "synthesis" / split
  _write(folder, rows, f"{config.data.name}, {split}, {len(real)} layouts")
  experiment.save_record(
      config, workdir, split,
      {row["images of"]: {"images": len(real)} | {
          k: v for k, v in row.items() if k != "images of"} for row in rows},
      seconds=time.monotonic() - started, study="synthesis")
  colors = encoder.annotation_colors(config)
  judged = image_ops.colorize(
      judge.labels(own[:_ROWS]), data.dataset(config).spec.colors)
  figures.save(folder / "grid.png", figures.grid(
      [[real[i], image_ops.colorize(layout[i], colors), own[i],
        judged[i], *(m[i] for m in mixed)]
       for i in range(min(_ROWS, len(real)))],
      columns=["real", "layout", "synthesis", "its label by fully supervised",
               *(f"style {i + 1}" for i in range(len(mixed)))],
      names=[""] * min(_ROWS, len(real))))
  if not config.encoder.weights:  # The shots are in the run's folder.
    save_pseudo_labels(config, synth, folder, random_key)
  return rows


class Judge:
  """The fully supervised segmenter and the feature distance of a config."""

  def __init__(self, config, workdir):
    self._config = config
    self._predict = fully_supervised.predictor(config, workdir)
    self._network = monitoring.feature_network(config)
    self._real = monitoring.real_features(config, self._network)

  def __call__(self, images, truth) -> dict:
    """Scores of images uint8 [N, S, S, C] for masks int [N, S, S]."""
    c = self._config.data
    counts = scores.confusion_matrix(
        truth, self.labels(images), c.num_classes,
        data.ignore_index(self._config)).sum(0)
    features = [self._network(image_ops.from_uint8(x))
                for x in _batches(self._sized(images))]
    features = jax.tree.map(
        lambda x: x[:len(images)], monitoring.joined(features))
    distance = monitoring.compare(self._real, features)
    return {"miou": float(scores.mean_iou(counts)),
            "pixel_accuracy": float(scores.pixel_accuracy(counts)),
            **{k.removeprefix("monitor/"): v for k, v in distance.items()}}

  def labels(self, images) -> np.ndarray:
    """The segmenter's labels, int32 [N, S, S], at the images' size."""
    logits = [self._predict(x, None)["fully_supervised"]["logits"]
              for x in _batches(self._sized(images))]
    predicted = [image_ops.labels_at(
        x, images.shape[1:3], row="fully_supervised") for x in logits]
    return np.concatenate(predicted)[:len(images)]

  def _sized(self, images):
    size = self._config.data.size
    return np.stack([transforms.resize_image(p, size) for p in images])


def study(config, workdir, *, layers=(), ks=(), thresholds=(), split: str = ""
          ) -> list[dict]:
  """Pseudo labels, and encoders, for layer x k x threshold.

  Args:
    workdir: its folder, with the stages `gan`, `shots` and `fully_supervised`.
    layers: maps of the generator.
    ks, thresholds: of sparse labeling; without a meaning for dense labeling.
      Where one of the three is empty the config's is taken.
    split: whose masks the encoders' images are scored on; see `evaluate`.

  Returns the rows of the table.
  """
  workdir = epath.Path(workdir)
  judge = Judge(config, workdir)
  sparse = config.pseudo.labeling == "sparse"
  fitted = config.pseudo.labeling == "fitted"
  if fitted and layers:
    raise ValueError(
        "--layers is of prototypes; config.pseudo.labeling is 'fitted', which "
        "sees the maps of config.hypercolumn")
  rows = []
  for layer, k, threshold in itertools.product(
      layers or [config.pseudo.layer],
      sparse and ks or [config.pseudo.k],
      sparse and thresholds or [config.pseudo.threshold]):
    one = config.copy_and_resolve_references().unlock()
    one.pseudo.update(layer=layer, k=k, threshold=threshold)
    row = {"layer": "fitted" if fitted else pseudo_labels.feature_layer(
        generators.module(one), layer)}
    if sparse:
      row |= {"k": k, "threshold": threshold}
    name = "_".join(f"{a}{b:g}" if a != "layer" else b for a, b in row.items())
    row |= _pseudo_quality(one, workdir, judge)
    if config.encoder.steps:
      folder = workdir / "study" / name
      for stage in ("gan", "shots", "fully_supervised"):
        if (workdir / stage).exists():
          _copy(workdir / stage, folder / stage)
      experiment.train(one, folder, only=["encoder"])
      row |= {a: b for a, b in evaluate(
          one, folder, split=split)[0].items() if a != "images of"}
    rows.append(row)
  _write(workdir / "study", rows, "parameters of the pseudo labels")
  return rows


def save_pseudo_labels(config, synth, folder, key):
  """Writes pseudo_labels.png: samples of the generator and their labels."""
  _, rendered, label = synth.pairs(_SHOWN, key)
  colors = encoder.annotation_colors(config)
  figures.save(folder / "pseudo_labels.png", figures.grid(
      [list(rendered), list(image_ops.colorize(label, colors))],
      columns=[""] * _SHOWN, names=["sample", "pseudo label"]))


def _copy(source, target):
  """Copies a folder; remote ones know no links."""
  target.mkdir(parents=True, exist_ok=True)
  for path in source.iterdir():
    if path.is_dir():
      _copy(path, target / path.name)
    else:
      path.copy(target / path.name, overwrite=True)


def _pseudo_quality(config, workdir, judge):
  """How much of samples is labeled, and how well the segmenter agrees."""
  synth = synthesis.Synthesizer(config, workdir, encoder=False)
  _, images, label = synth.pairs(
      max(_BATCH, min(config.monitor.samples, 256)),
      jax.random.key(config.seed))
  known = label > (0 if config.pseudo.labeling == "sparse" else -1)
  # Classes of partial annotations are those of the data set plus one.
  shift = config.shots.annotation != "mask"
  c = config.data
  ignore_index = data.ignore_index(config)
  counts = scores.confusion_matrix(
      np.where(known, label - shift, ignore_index), judge.labels(images),
      c.num_classes, ignore_index).sum(0)
  if not known.any():
    return {"labeled": 0.0, "label_accuracy": None, "label_miou": None}
  return {"labeled": float(known.mean()),
          "label_accuracy": float(scores.pixel_accuracy(counts)),
          "label_miou": float(scores.mean_iou(counts))}


def _nearest(layout, shots, sparse) -> np.ndarray:
  """[N] number of the shot whose annotation agrees with most of each layout."""
  known = layout[:, None] > (0 if sparse else -1)
  agree = (layout[:, None] == shots[None]) & known
  return agree.sum((2, 3)).argmax(1)


def _masks(config, split, n):
  """The first masks of a split at the working size, int32 [n, S, S]."""
  source = datasets.split(data.dataset(config), split)
  size = pseudo_labels.working_size(config)
  return np.stack([transforms.resize_label(source[i]["label"], size)
                   for i in range(n)]).astype(np.int32)


def _batches(rows):
  """Batches of one size; the last is filled up with its last row."""
  for first in range(0, len(rows), _BATCH):
    yield rows[np.minimum(np.arange(first, first + _BATCH), len(rows) - 1)]


def _write(folder, rows, title):
  tables.write(folder, rows, [
      {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}
      for row in rows], f"{title}:\n")
