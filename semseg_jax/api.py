"""Trained models as a library: load, segment, sample, export.

For example:

    import semseg_jax
    model = semseg_jax.load("runs/mine")  # or an exported model.safetensors
    result = model.segment(images, method="inversion", steps=100)
    result.labels  # one int32 [H, W] per image, at its own size
"""

from collections.abc import Sequence
import dataclasses
import functools
import json
import math

from etils import epath
import jax
import numpy as np

from semseg_jax import dataset_facts
from semseg_jax import experiment
from semseg_jax import export
from semseg_jax import labeler
from semseg_jax import lineage
from semseg_jax import method_scores
from semseg_jax import predictors
from semseg_jax import stages
from semseg_jax.data import arrays
from semseg_jax.data import datasets
from semseg_jax.evaluation import record
from semseg_jax.methods.common import generators
from semseg_jax.methods.fewshot_smis import synthesis
from semseg_jax.methods.semantic_gan import combined
from semseg_jax.methods.semantic_gan import distilled
from semseg_jax.training import checkpoint
from semseg_jax.training import exported
from semseg_jax.training import run_dir


def _at_own_precision(method):
  """A method of `Model` that runs at the config's precision of products.

  The caller's own setting stays as it is.
  """

  @functools.wraps(method)
  def run(self, *args, **kwargs):
    with jax.default_matmul_precision(self.config.matmul_precision):
      return method(self, *args, **kwargs)

  return run


@dataclasses.dataclass(eq=False)
class Segmentation:
  """What `Model.segment` returns; lists in the order of the images.

  Attributes:
    method: the row that was used.
    labels: int32 [H, W] class indices.
    confidence: float [N]; by encoder or inversion with a label branch the score
      that Dm gives image and labels, else (with a fitted head, too) the mean
      largest class probability.
    reconstructions: uint8 [H, W, C], or None where a method makes none.
  """
  method: str
  labels: list[np.ndarray]
  confidence: np.ndarray
  reconstructions: list[np.ndarray] | None


@dataclasses.dataclass(frozen=True)
class Samples:
  """images: uint8 [N, S, S, C]; labels: int32 [N, S, S], or None without."""
  images: np.ndarray
  labels: np.ndarray | None


class Model:
  """A run's trained networks; made by `load`.

  Attributes:
    config: the run's resolved config, locked.
    class_names: of the labels.
    colors: uint8 [K, 3], of the labels.
    dataset: what `run_dir.describe` kept of the data set.
  """

  def __init__(self, workdir, config, dataset: dict, scores: dict):
    self.workdir, self.config = epath.Path(workdir), config
    self.dataset = dataset
    self.class_names = tuple(dataset["class_names"])
    self.colors = np.asarray(dataset["colors"], np.uint8)
    self._scores, self._loaded = scores, {}

  def __repr__(self):
    return (f"<Model {self.workdir}: methods {', '.join(self._rows)}; classes "
            f"{', '.join(self.class_names)}>")

  def __getstate__(self):
    # Compiled functions cannot be pickled; they are loaded again.
    return self.__dict__ | {"_loaded": {}}

  @property
  def spec(self) -> datasets.Spec:
    """Names, colors and flips of the labels, without the data set."""
    d = self.dataset
    flip = {"flip": d["flip"] and tuple(d["flip"])} if "flip" in d else {}
    return datasets.Spec(
        d["name"], self.class_names, self.colors, d["ignore_index"],
        self.config.data.channels, **flip)

  @property
  def record(self) -> dict:
    """How the model was made, and its results; see `export.record`."""
    if exported.is_file(self.workdir):
      return exported.read_meta(self.workdir)["record"]
    return export.record(self.config, self.workdir)

  @property
  def fingerprint(self) -> str:
    """Digits that stand for the trained networks and the config."""
    trained = method_scores.trained_of(self.config, self.workdir)
    return record.config_hash(trained | record.comparable(
        json.loads(self.config.to_json_best_effort())))

  @property
  def methods(self) -> dict[str, float | None]:
    """{method that `segment` knows: mean IoU on validation, or None}.

    A run that was not evaluated lacks those of methods that no stage validates
    while it trains.
    """
    return {row: self._scores.get(row) for row in self._rows}

  @property
  def default_method(self) -> str:
    """The method with the best validation score; else the last one by itself.

    Not `fully_supervised`, which has seen all labels, if there is another.

    Raises:
      ValueError: the model has none.
    """
    if not self.methods:
      raise ValueError(
          f"{self.workdir} has no trained stage that labels images; its stages "
          f"are {', '.join(self.config.stages)}")
    return method_scores.best(self.methods)

  def chosen_method(self, method: str | None = None, *,
                    steps: int | None = None) -> str:
    """The method that `segment` takes where it is given these.

    Raises:
      TypeError: steps is no whole number. ValueError: no such method, no steps,
        or those of a method that has none.
    """
    method = method or self.default_method
    if method not in self._rows:
      raise ValueError(f"method {method!r} is not trained in {self.workdir}; "
                       f"choose from {', '.join(self._rows)}")
    if steps is not None and method not in ("inversion", combined.ROW):
      raise ValueError(f"steps is of 'inversion'; method is {method!r}")
    if steps is not None:
      _whole("steps", steps)
    return method

  @functools.cached_property
  def _rows(self) -> dict[str, str]:
    """{row: the stage whose predictor gives it}, of what is trained."""
    rows = predictors.rows_of(self.config, lambda name: checkpoint.exists(
        self.workdir / name / "ckpt"))
    # An exported file has those it was made for.
    return {row: name for row, name in rows.items() if row in self._scores}

  @_at_own_precision
  def segment(self, images, method: str | None = None, *,
              steps: int | None = None, batch_size: int | None = None,
              numbers: Sequence[int] | None = None) -> Segmentation:
    """Labels images of any sizes.

    Args:
      images: a list of uint8 arrays [H, W, C] or [H, W] or of Pillow's images,
        one of them, or one array [N, H, W, C], of a gray model [N, H, W], too.
        Color becomes gray, or gray color, as the model needs it.
      method: a key of `methods`; None: `default_method`.
      steps: of the method "inversion"; None: the config's. "inversion@n" is
        where a search of the config's steps is after n, as it was evaluated.
      batch_size: images per call of the networks, which are compiled for it;
        None: `Model.batch_size` of their number.
      numbers: of the images, on which the noise of inversion's start hangs;
        None: 0, 1, ...

    Raises:
      TypeError: an image is not uint8, or steps or batch_size no whole number.
        ValueError: no such method, no image, an image of another shape, fewer
        numbers than images, or a batch of none. FloatingPointError: the
        networks' logits are NaN or infinite.
    """
    method = self.chosen_method(method, steps=steps)
    steps = steps and int(steps)
    if batch_size is not None:
      batch_size = _whole("batch_size", batch_size)
    images = arrays.as_images(images, self.config.data.channels)
    numbers = np.arange(len(images)) if numbers is None else np.asarray(numbers)
    if len(numbers) != len(images):
      raise ValueError(f"{len(numbers)} numbers for {len(images)} images")
    batch_size = batch_size or self.batch_size(len(images))
    label = self._kept((method, steps, batch_size), lambda: labeler.make(
        self.config, self.workdir, self._rows[method], method, steps=steps,
        batch_size=batch_size))
    return Segmentation(method, *label(images, numbers))

  def batch_size(self, count: int) -> int:
    """Images per call of the networks, for `count` of them.

    A call takes as long as if it were full, and each size has to be compiled:
    the smallest power of four (times the devices) that holds all, at most the
    config's. By inversion single pixels depend on it, as sums are in another
    order.
    """
    size = jax.local_device_count()
    while size < count:
      size *= 4
    return min(size, self.config.evaluation.batch_size)

  def _kept(self, key, make):
    """make() of the first call with this key: loaded and compiled once."""
    if key not in self._loaded:
      self._loaded[key] = make()
    return self._loaded[key]

  @_at_own_precision
  def sample(self, n: int, *, seed: int = 0, truncation: float = 1.0
             ) -> Samples:
    """Generated images, with their labels where the model knows them.

    Args:
      n: how many.
      seed: of latents and noise, from 0 to 2**32 - 1.
      truncation: psi of the truncation trick; 1: none.

    Raises:
      TypeError: n or seed is no whole number. ValueError: n is below 1, seed
        outside its range, truncation not finite, or the run has no generator.
    """
    n, seed = _whole("n", n), _seed(seed)
    if not math.isfinite(truncation):
      raise ValueError(
          f"truncation is {truncation}; give a number, such as 0.7")
    if "generator" not in self.config:
      raise ValueError(f"{self.workdir} has no generator to sample from")
    labeled = (self.config.method == "semantic_gan"
               and self.config.data.num_labeled)
    make = distilled.sampler if labeled else generators.sampler
    draw = self._kept(("sample", truncation), lambda: make(
        self.config, self.workdir, truncation=truncation,
        needed_by="sampling"))
    batches = [draw(i, seed) for i in range(-(-n // generators.BATCH))]
    images, *labels = (
        np.concatenate(x)[:n] for x in zip(*batches, strict=True))
    return Samples(images, labels[0].astype(np.int32) if labeled else None)

  @_at_own_precision
  def synthesize(self, layouts, *, samples: int = 1, seed: int = 0
                 ) -> np.ndarray:
    """Images of layouts (Fewshot-SMIS).

    Args:
      layouts: int [N, S, S] class indices at the model's size; the ignored
        label marks pixels of no class.
      samples: images of each layout, with different styles.
      seed: of the styles, from 0 to 2**32 - 1.

    Returns:
      uint8 [samples, N, S, S, C].

    Raises:
      TypeError: layouts, samples or seed are no integers. ValueError: the run
        is of another method, layouts have another shape or hold no class, or
        samples or seed are outside their ranges.
    """
    samples, seed = _whole("samples", samples), _seed(seed)
    if self.config.method != "fewshot_smis":
      raise ValueError("layouts are made into images by a fewshot_smis run; "
                       f"this one is {self.config.method}")
    network = self._kept("synthesize", lambda: synthesis.Synthesizer(
        dataset_facts.stated(self.config, self.dataset), self.workdir))
    layouts = np.asarray(layouts)
    side = network.size
    if (layouts.ndim != 3 or layouts.shape[1:] != (side, side)
        or not len(layouts)):
      raise ValueError(
          f"layouts have shape {layouts.shape}; give [N, {side}, {side}]")
    styles = synthesis.parse_styles(self.config.synthesis.styles)
    network.check_styles(styles)
    latents = network.encode(layouts)
    return np.stack([network.mixed(
        latents, jax.random.fold_in(jax.random.key(seed), i), styles=styles,
        alpha=self.config.synthesis.alpha) for i in range(samples)])

  def export(self, path, *, dtype: str = "float32",
             methods: Sequence[str] | None = None) -> None:
    """Writes what the methods and sampling need into one file for `load`.

    Averaged generator, encoder, segmenters; discriminators only where a method
    compares images by them; files that the config names. ImageNet weights of
    installed packages stay out: the machine that inverts needs the package.

    Args:
      path: the file, ending in ".safetensors".
      dtype: "float16": half the size, read as float32, slightly other labels.
      methods: those of `methods` to keep, at least one; None: all.

    Raises:
      ValueError: the model is an exported one, knows no such method, or none is
        named.
    """
    if exported.is_file(self.workdir):
      raise ValueError(f"{self.workdir} is an exported model: copy the file")
    if isinstance(methods, str):
      methods = (methods,)
    if methods is None:
      methods = self.methods
    elif not methods:
      raise ValueError(
          "methods is empty: name those to keep (all: None, or no --methods)")
    unknown = set(methods) - set(self.methods)
    if unknown:
      raise ValueError(f"methods {', '.join(sorted(unknown))} are not trained; "
                       f"choose from {', '.join(self.methods)}")
    export.write(self, path, dtype, tuple(methods))


def load(path: str, *, data_dir: str = "", config=None) -> Model:
  """A trained model.

  Args:
    path: a run's folder, an exported file, or the name of a shipped model.
    data_dir: the run's data set, if it has moved; labeling needs none.
    config: instead of the model's: with another inversion, for instance.

  Raises:
    FileNotFoundError: there is nothing of the kind. ValueError: the file is
      damaged or something else. run_dir.ConfigMismatchError: the model
      was trained with another `config`.
  """
  path = run_dir.absolute(exported.existing(path))
  if path.is_dir():
    if not run_dir.is_known(path):
      raise FileNotFoundError(f"{path}: holds no run (no config.json); train "
                              "one there first, or correct the path")
    plain, dataset = run_dir.described(path)
    if config:
      experiment.check_run(config, path)
    config = _moved(config or run_dir.configured(plain), data_dir)
    lineage.check(config, path)
    scores = method_scores.of_run(config, path)
  else:
    meta = exported.read_meta(path)
    dataset, scores = meta["dataset"], meta["scores"]
    own = run_dir.configured(exported.config(path))
    # What a config names beside it, the file holds.
    config = _moved(
        run_dir.with_paths_of(config, own) if config else own, data_dir)
    for name in sorted({*config.stages} & {*own.stages}):
      if lines := run_dir.refused(stages.relevant(own, name),
                                  stages.relevant(config, name)):
        raise run_dir.ConfigMismatchError(
            f"{path}: its stage {name!r} is of another config:\n{lines}")
  return Model(path, config, dataset, scores)


def _moved(config, data_dir: str):
  """The config with another folder of the data set, where one is given."""
  if not data_dir:
    return config
  config = config.copy_and_resolve_references().unlock()
  config.data.data_dir = data_dir
  return config.lock()


def _whole(name: str, value, *, least: int = 1) -> int:
  """The argument `name`; raises unless it is a whole number from `least` on."""
  if not isinstance(value, int | np.integer) or isinstance(value, bool):
    raise TypeError(f"{name} is {value!r}; give a whole number")
  if value < least:
    raise ValueError(f"{name} is {value}; give {least} or more")
  return int(value)


def _seed(value) -> int:
  """The argument `seed`; JAX would take a larger one's last 32 bits."""
  if _whole("seed", value, least=0) >= 2**32:
    raise ValueError(f"seed is {value}; give at most {2**32 - 1}")
  return int(value)
