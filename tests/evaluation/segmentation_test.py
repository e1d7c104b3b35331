import concurrent.futures
import json
from unittest import mock

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from semseg_jax.data import datasets
from semseg_jax.evaluation import figures
from semseg_jax.evaluation import segmentation
from semseg_jax.evaluation import summary
from semseg_jax.ops import image_ops
from semseg_jax.ops import scores
from semseg_jax.training import chunks

_SIZE = 16
_SPEC = datasets.Spec(
    name="toy", class_names=("background", "disc", "ring"),
    colors=np.array([[0, 0, 0], [200, 40, 40], [40, 90, 200]], np.uint8))


class _Toy:
  """Images of several sizes whose gray value tells the class."""

  labeled = True

  def __init__(self, count=7, volumes=False):
    self.ids = tuple(f"set/{i:02}" for i in range(count))
    self._volumes = volumes
    self.reads = 0

  def __len__(self):
    return len(self.ids)

  def __getitem__(self, index):
    self.reads += 1
    rng = np.random.default_rng(index)
    h, w = rng.integers(12, 40, 2)
    y, x = np.mgrid[:h, :w]
    r = np.hypot(y / h - rng.uniform(0.3, 0.7), x / w - rng.uniform(0.3, 0.7))
    label = ((r < 0.4).astype(np.uint8) + (r < 0.2)).astype(np.uint8)
    label[:2] = 255
    image = np.repeat((label % 3 * 100)[..., None], 3, -1).astype(np.uint8)
    example = {"image": image, "label": label, "id": self.ids[index]}
    if self._volumes:
      example["volume"] = f"patient{index % 2}"
    return example


class _Stored(_Toy):
  """The same on disk, where a mask may be corrected."""
  corrected = None

  def facts(self):
    return {}

  def __getitem__(self, index):
    example = super().__getitem__(index)
    if index == self.corrected:  # as many pixels of each class as before
      example["label"] = example["label"][:, ::-1]
    return example


def _logits(images, noise=0.0, seed=0):
  gray = images.mean(-1)[..., None]
  logits = -np.abs(gray - np.array([0.0, 100.0, 200.0])) / 50.0
  sample = np.random.default_rng(seed).normal(size=logits.shape)
  return (logits + noise * sample).astype(np.float32)


class _Predict:
  """Two methods; counts its calls and checks what it is given."""

  def __init__(self, batch_size):
    self.batch_size = batch_size
    self.indices = []

  def __call__(self, images, indices):
    assert images.shape == (self.batch_size, _SIZE, _SIZE, 3)
    assert images.dtype == np.uint8
    assert indices.shape == (self.batch_size,)
    self.indices.append(indices.tolist())
    noisy = np.stack([
        _logits(p, 1.5, seed=int(i))
        for p, i in zip(images, indices, strict=True)])
    return {
        "plain": {"logits": _logits(images), "reconstruction": images},
        "noisy": {"logits": noisy, "confidence": -indices.astype(float)},
    }


def _run(folder, predict, source=None, **options):
  return segmentation.evaluate(
      predict, source or _Toy(), spec=_SPEC, batch_size=predict.batch_size,
      out_dir=folder, **{"fingerprint": "f", "size": _SIZE, **options})


def test_one_process_evaluates_in_a_folder(tmp_path):
  predict = _Predict(3)

  def meanwhile(images, indices):
    with pytest.raises(
        ValueError, match="another process is evaluating there"):
      _run(tmp_path, _Predict(3), fingerprint="other")
    return predict(images, indices)

  meanwhile.batch_size = 3
  _run(tmp_path, meanwhile)
  assert predict.indices == [[0, 1, 2], [3, 4, 5], [6, 6, 6]]


def test_scores_are_those_at_native_size(tmp_path):
  source, predict = _Toy(), _Predict(3)
  report = _run(tmp_path, predict, source)
  assert predict.indices == [[0, 1, 2], [3, 4, 5], [6, 6, 6]]
  confusion = []
  for i in range(7):
    example = source[i]
    small = segmentation.pipeline.transforms.resize_image(
        example["image"], _SIZE)
    mask = image_ops.to_label(image_ops.resize_logits(
        _logits(small[None])[0], example["label"].shape))
    confusion.append(scores.confusion_matrix(example["label"], mask, 3, 255))
    stored = figures.read(
        tmp_path / "predictions" / f"set_{i:02}_plain_index.png")
    np.testing.assert_array_equal(stored, mask)
  expected = summary.summarise(np.stack(confusion), _SPEC.class_names)
  assert report["plain"] == expected
  assert expected["images"] == 7
  assert 0.5 < expected["miou"] < 1
  assert report["noisy"]["miou"] < expected["miou"]
  assert set(report["noisy"]["confidence"]) == {"mean", "pearson", "spearman"}
  json.dumps(report, allow_nan=False)


def test_padded_images_are_scored_without_resizing(tmp_path):
  """Each pixel keeps its own logits, and the padding is not scored."""
  seen = []

  def predict(images, indices):
    seen.append(images.shape)
    return {"exact": {"logits": _logits(images)}}

  report = segmentation.evaluate(
      predict, _Toy(), spec=_SPEC, batch_size=4, size=(40, 44),
      out_dir=tmp_path, fingerprint="f", fill=(200, 200, 200))
  assert set(seen) == {(4, 40, 44, 3)}
  # The gray value tells the class, ignored pixels aside.
  assert report["exact"]["miou"] == 1
  with pytest.raises(ValueError, match="geometry.evaluate"):
    segmentation.evaluate(
        predict, _Toy(), spec=_SPEC, batch_size=4, size=(12, 44),
        out_dir=tmp_path / "small", fingerprint="f", fill=(0, 0, 0))


@settings(max_examples=4, deadline=None)
@given(st.integers(1, 4), st.data())
def test_totals_are_the_same_after_losing_chunks(tmp_path_factory, batch, data):
  folder = tmp_path_factory.mktemp("eval")
  first = _run(folder, _Predict(batch))
  files = sorted((folder / "chunks").glob("*.npz"))
  lost = data.draw(st.sets(st.integers(0, len(files) - 1), min_size=1))
  for k in lost:
    files[k].unlink()
  predict = _Predict(batch)
  assert _run(folder, predict) == first
  assert [rows[0] // batch for rows in predict.indices] == sorted(lost)


def test_nothing_is_predicted_twice(tmp_path):
  first = _run(tmp_path, _Predict(3))
  predict = _Predict(3)
  assert _run(tmp_path, predict) == first
  assert predict.indices == []


def test_more_images_take_what_is_finished(tmp_path):
  ids = _Toy(7).ids
  first = lambda n, **x: _run(tmp_path, predict, _Toy(n), split_ids=ids, **x)
  for n, indices in ((4, [[0, 1, 2], [3, 3, 3]]), (7, [[3, 4, 5], [6, 6, 6]]),
                     (6, []), (4, [[3, 3, 3]])):
    predict = _Predict(3)
    assert first(n)["plain"]["images"] == n
    assert predict.indices == indices
  # Nor are those of another process, where they are fewer, waited for in vain.
  with concurrent.futures.ThreadPoolExecutor() as pool:
    predict = _Predict(3)
    reports = list(pool.map(
        lambda i: first(7, process=i, num_processes=2), range(2)))
  assert [x["plain"]["images"] for x in reports] == [7, 7]


def test_overwritten_masks_are_made_again(tmp_path):
  predict = _Predict(2)
  _run(tmp_path, predict, _Toy(6))
  _run(tmp_path, _Predict(3), _Toy(3), fingerprint="another network")
  predict.indices.clear()
  _run(tmp_path, predict, _Toy(6))
  # Of the last chunk nothing was overwritten, but its file does not know.
  assert predict.indices == [[0, 1], [2, 3], [4, 5]]


def test_processes_share_the_chunks(tmp_path):
  first = _run(tmp_path / "one", _Predict(2))
  predicts = [_Predict(2) for _ in range(3)]
  with concurrent.futures.ThreadPoolExecutor() as pool:
    reports = list(pool.map(
        lambda i: _run(tmp_path / "three", predicts[i], process=i,
                       num_processes=3), range(3)))
  assert reports == [first] * 3
  assert [p.indices for p in predicts] == [
      [[0, 1], [6, 6]], [[2, 3]], [[4, 5]]]


def test_another_number_of_processes_continues(tmp_path):
  stop = _Predict(2)
  with pytest.raises(RuntimeError), mock.patch.object(
      chunks.ChunkStore, "wait", side_effect=RuntimeError("killed")):
    _run(tmp_path, stop, process=1, num_processes=3)
  assert stop.indices == [[2, 3]]
  rest = _Predict(2)
  assert _run(tmp_path, rest) == _run(tmp_path / "one", _Predict(2))
  assert rest.indices == [[0, 1], [4, 5], [6, 6]]


def test_an_interrupted_run_continues(tmp_path):
  predict = _Predict(2)

  def fails(images, indices):
    if len(predict.indices) == 2:
      raise KeyboardInterrupt
    return predict(images, indices)

  fails.batch_size = 2
  with pytest.raises(KeyboardInterrupt):
    _run(tmp_path, fails)
  rest = _Predict(2)
  report = _run(tmp_path, rest)
  assert rest.indices == [[4, 5], [6, 6]]
  assert report == _run(tmp_path / "through", _Predict(2))


@pytest.mark.parametrize("change", ["fingerprint", "mask"])
def test_what_is_out_of_date_is_predicted_again(tmp_path, change):
  _run(tmp_path, _Predict(3))
  predict = _Predict(3)
  if change == "mask":
    (tmp_path / "predictions" / "set_04_plain_index.png").unlink()
    _run(tmp_path, predict)
    assert predict.indices == [[3, 4, 5]]
  else:
    _run(tmp_path, predict, fingerprint="another")
    assert len(predict.indices) == 3


def test_what_changed_on_disk_is_scored_again(tmp_path):
  """The masks of a test set are corrected; their names stay."""
  source = _Stored()
  first = _run(tmp_path, _Predict(3), source)
  predict = _Predict(3)
  assert _run(tmp_path, predict, source) == first
  assert predict.indices == []
  source.corrected = 4
  second = _run(tmp_path, predict, source)
  assert predict.indices == [[3, 4, 5]]
  assert second == _run(tmp_path / "anew", _Predict(3), source)
  assert second["plain"]["miou"] < first["plain"]["miou"]


def test_processes_wait_for_what_changed_on_disk(tmp_path):
  source = _Stored()
  _run(tmp_path, _Predict(3), source)
  source.corrected = 4  # of the second chunk, which is process 1's
  with concurrent.futures.ThreadPoolExecutor() as pool:
    first = pool.submit(
        _run, tmp_path, _Predict(3), source, process=0, num_processes=2)
    with pytest.raises(concurrent.futures.TimeoutError):
      first.result(timeout=2)
    second = _run(tmp_path, _Predict(3), source, process=1, num_processes=2)
    assert first.result() == second
  assert second == _run(tmp_path / "anew", _Predict(3), source)


def test_chunks_of_a_former_version_count(tmp_path):
  first = _run(tmp_path, _Predict(3), _Stored())
  path = tmp_path / "chunks" / "chunk_00001.npz"
  arrays = chunks.read(path)
  del arrays["content"]
  chunks.write(path, arrays)
  predict = _Predict(3)
  assert _run(tmp_path, predict, _Stored()) == first
  assert predict.indices == []


def test_files_of_the_first_images(tmp_path):
  _run(tmp_path, _Predict(4), images=2)
  names = lambda kind: sorted(
      p.name for p in (tmp_path / "predictions").glob(f"*_{kind}.png"))
  both = [f"set_{i:02}_{m}" for i in (0, 1) for m in ("noisy", "plain")]
  assert len(names("index")) == 14
  assert names("color") == [f"{n}_color.png" for n in both]
  assert names("overlay") == [f"{n}_overlay.png" for n in both]
  assert names("reconstruction") == [
      "set_00_plain_reconstruction.png", "set_01_plain_reconstruction.png"]
  assert figures.read(tmp_path / "overview.png").shape[2] == 3


def test_one_method_needs_no_name_in_its_files(tmp_path):
  predict = lambda images, indices: {"a": {"logits": _logits(images)}}
  predict.batch_size = 4
  _run(tmp_path, predict, images=1)
  assert (tmp_path / "predictions" / "set_00_index.png").exists()
  assert (tmp_path / "predictions" / "set_00_color.png").exists()


def test_volumes(tmp_path):
  source = _Toy(volumes=True)
  report = _run(tmp_path, _Predict(3), source)["noisy"]
  counts = []
  for i in range(7):
    mask = figures.read(
        tmp_path / "predictions" / f"set_{i:02}_noisy_index.png")
    counts.append(scores.confusion_matrix(source[i]["label"], mask, 3, 255))
  volumes = np.stack([sum(counts[0::2]), sum(counts[1::2])])
  np.testing.assert_allclose(
      report["dice_per_volume"],
      scores.dice(volumes)[:, 1:].mean(), rtol=1e-12)


@pytest.mark.parametrize(("shape", "options"), [
    ((_SIZE, _SIZE, 2), {}), ((8, _SIZE, 3), {}),
    ((24, 24, 3), {"size": 48, "fill": (0, 0, 0)})])
def test_wrong_logits_are_named(tmp_path, shape, options):
  predict = lambda images, _: {
      "bad": {"logits": np.zeros((len(images), *shape))}}
  predict.batch_size = 2
  with pytest.raises(ValueError, match="'bad'.*K in"):
    _run(tmp_path, predict, **options)


def test_coarser_logits_are_resized(tmp_path):
  predict = lambda images, _: {
      "fine": {"logits": _logits(images)},
      "coarse": {"logits": image_ops.resize_logits(_logits(images), (8, 8))}}
  predict.batch_size = 2
  report = _run(tmp_path, predict)
  assert report["fine"]["miou"] > report["coarse"]["miou"] > 0.5


def test_logits_that_are_no_numbers_are_not_class_0(tmp_path):
  predict = lambda images, _: {
      "bad": {"logits": np.full_like(_logits(images), np.nan)}}
  predict.batch_size = 2
  with pytest.raises(FloatingPointError, match="'bad'.*NaN"):
    _run(tmp_path, predict)


def test_unlabeled_split_is_an_error(tmp_path):
  source = _Toy()
  source.labeled = False
  with pytest.raises(ValueError, match="labeled"):
    _run(tmp_path, _Predict(2), source)


def test_file_names():
  assert segmentation.file_names(["a/b", "a_b", "ü.1", "c d"]) == (
      "a_b", "a_b-1", "ü.1", "c_d")


def test_no_two_images_share_a_file():
  assert segmentation.file_names(["a_b-2", "a/b", "a b"]) == (
      "a_b-2", "a_b", "a_b-2-2")
  methods = ["inversion", "distilled", "inversion+distilled"]
  files = segmentation.stems(("x", "x_inversion"), methods)
  assert len({f for of in files.values() for f in of}) == 6
  assert files["inversion"] == ("x_inversion", "x_inversion_inversion")
  assert files == segmentation.stems(("x", "x_inversion"), methods[::-1])
