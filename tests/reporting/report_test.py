"""A page about a run that was made by hand: all that it names is in it."""

import base64
import html.parser
import io
import json
import re
import shutil
from xml.etree import ElementTree

import numpy as np
from PIL import Image
import pytest

from semseg_jax.data import datasets
from semseg_jax.evaluation import cases
from semseg_jax.evaluation import figures
from semseg_jax.evaluation import record as records
from semseg_jax.evaluation import segmentation
from semseg_jax.reporting import charts
from semseg_jax.reporting import embedded
from semseg_jax.reporting import report

_SIZE = 16
_CLASSES = ("background", "disc <&> \"ring\"", "dot")
_SPEC = datasets.Spec(
    name="toy", class_names=_CLASSES,
    colors=np.array([[0, 0, 0], [200, 40, 40], [40, 90, 200]], np.uint8))
_METHODS = ("supervised", "inversion, 25 steps", "inversion, 100 steps")
_CONFIG = {
    "method": "semantic_gan", "stages": ["supervised", "gan"], "seed": 3,
    "data": {"name": "toy", "size": _SIZE, "in_domain": "test",
             "out_of_domain": ["other"], "num_labeled": 20},
    "gan": {"r1_gamma": 10.5, "augment": {"policy": ["color"]}}}


class _Toy:
  """Squares of a class at different places, some pixels not scored."""

  labeled = True

  def __init__(self, name, count):
    self.ids = tuple(f"{name}/{i}" for i in range(count))

  def __len__(self):
    return len(self.ids)

  def __getitem__(self, index):
    label = np.zeros((20 + index, 30), np.uint8)
    label[index:index + 9, 3:12] = 1
    label[12:16, 15 + index % 5:] = 2
    label[:2] = 255
    image = np.repeat((label % 3 * 100)[..., None], 3, -1).astype(np.uint8)
    return {"image": image, "label": label, "id": self.ids[index]}


def _predict(images, index):
  rng = np.random.default_rng(int(index[0]))
  clean = -np.abs(images.mean(-1)[..., None] - np.array([0.0, 100, 200])) / 50
  noise = rng.normal(size=clean.shape) * index[:, None, None, None] / 6
  methods = {name: {"logits": clean + noise * (i + 1)}
             for i, name in enumerate(_METHODS)}
  for name in _METHODS[1:]:
    methods[name] |= {"confidence": -index / 10.0, "reconstruction": images}
  return methods


def _evaluate(workdir, split, count):
  folder = workdir / "eval" / split
  methods = segmentation.evaluate(
      _predict, _Toy(split, count), spec=_SPEC, batch_size=4, size=_SIZE,
      out_dir=folder, fingerprint="x", images=5)
  records.save(folder, records.make(
      methods, config=_CONFIG, split=split, seconds=1.0,
      extra={"joint_model": {"miou": 0.4321, "samples": 1000}}))


def _stage(workdir, name, done):
  folder = workdir / name
  (folder / "samples").mkdir(parents=True)
  files = {
      "config.json": {"data": _CONFIG["data"], "gan": _CONFIG["gan"]},
      "overrides.json": {"gan.r1_gamma": 10.5},
      "versions.json": {"jax": "9.8.7", "git": "abcdef"},
      "compile.json": {"step": {"seconds": 61.0, "flops": 1.0}}}
  for file, value in files.items():
    (folder / file).write_text(json.dumps(value))
  if done:
    (folder / "DONE").write_text('{"step": 300}')
  (folder / "metrics.jsonl").write_text("".join(
      json.dumps({"step": s, "seconds": s / 2, "g/loss": 1 / s, "g/path": None,
                  "loss": 1000.0 / s, "val/miou": s / 400}) + "\n"
      for s in range(100, 301, 100)))
  for step in range(20, 301, 20):
    figures.save(folder / "samples" / f"labels_{step:07}.png",
                 np.full((8, 24, 3), step % 256, np.uint8))


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
  workdir = tmp_path_factory.mktemp("run")
  _evaluate(workdir, "other", 6)
  _evaluate(workdir, "test", 11)
  _stage(workdir, "gan", done=False)
  _stage(workdir, "supervised", done=True)
  (workdir / "commands.json").write_text(json.dumps(
      [{"time": "today", "command": "python train.py --x='<a>'"}]))
  return workdir


class _Page(html.parser.HTMLParser):
  """Tags with their attributes, text, and tables as rows of cells."""

  def __init__(self, text):
    super().__init__()
    self.tags, self.rows, self.text = [], [], ""
    self._in_cell = False
    self.feed(text)

  def handle_starttag(self, tag, attrs):
    self.tags.append((tag, dict(attrs)))
    if tag == "tr":
      self.rows.append([])
    if tag in ("td", "th"):
      self.rows[-1].append("")
      self._in_cell = True

  def handle_endtag(self, tag):
    self._in_cell &= tag not in ("td", "th")

  def handle_data(self, data):
    self.text += data
    if self._in_cell:
      self.rows[-1][-1] += data.strip()

  def named(self, tag):
    return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(workdir):
  path = report.write(workdir)
  assert path.name == "report.html"
  assert not list(workdir.glob("*.tmp"))
  return _Page(path.read_text())


def _image(source):
  """What a data URI holds: (width, height) of an image, or an SVG's root."""
  kind, data = re.fullmatch(
      r"data:image/([a-z+]+);base64,(.+)", source).groups()
  data = base64.b64decode(data, validate=True)
  if kind == "svg+xml":
    return ElementTree.fromstring(data)
  return Image.open(io.BytesIO(data), formats=[kind.upper()]).convert("RGB")


def test_every_image_is_in_the_page_and_has_a_text(page):
  images = page.named("img")
  for attributes in images:
    assert attributes["alt"]
    shown = _image(attributes["src"])
    assert getattr(shown, "width", 1) > 0
  # 2 charts of confidence; 2 stages with 3 charts and 6 grids of samples.
  texts = [x["alt"] for x in images]
  assert sum(t.startswith("Confidence against") for t in texts) == 2
  assert sum(": curves of " in t for t in texts) == 2 * 3
  assert sum(": labels after " in t for t in texts) == 2 * 6
  assert "gan: labels after 300 steps" in texts


def test_nothing_is_asked_of_a_network(workdir, page):
  text = re.sub(r"data:[^\"]*", "", (workdir / "report.html").read_text())
  assert not re.search(r"https?:|url\(|@import|fetch\(|XMLHttp", text)
  linked = [x for tag, x in page.tags if "href" in x or "src" in x]
  for attributes in linked:
    target = attributes.get("href") or attributes["src"]
    assert target.startswith(("#", "data:")), target
  ids = {x["id"] for _, x in page.tags if "id" in x}
  for attributes in page.named("a"):
    assert attributes["href"].removeprefix("#") in ids


@pytest.mark.parametrize("split", ["test", "other"])
def test_scores_of_the_records_are_in_their_rows(workdir, page, split):
  methods = records.load(workdir / "eval" / split).methods
  column = {"test": 1, "other": 2}[split]  # in domain first
  for name in _METHODS:
    rows = [r for r in page.rows if r[0] == name]
    assert rows[0][column] == f"{100 * methods[name]['miou']:.1f}"
    shown = [f"{100 * methods[name][k]:.2f}" for k in ("miou", "dice")]
    assert any(set(shown) <= set(r) for r in rows[1:])
  headings = [r for r in page.rows if r[0] == "Class"]
  assert headings[0][1:] == list(_METHODS)  # stages first, 25 before 100
  for c in _CLASSES:
    expected = [f"{100 * methods[m]['per_class_iou'][c]:.1f}"
                for m in _METHODS]
    assert [c, *expected] in page.rows


def test_cases_hold_first_worst_and_best_images(workdir, page):
  stored = cases.read(workdir / "eval" / "test")
  assert list(stored.shown) == sorted(stored.shown)
  assert list(stored.shown)[:8] == list(range(8))
  assert list(stored.methods) == list(_METHODS)
  reasons = [json.loads(x["data-reasons"]) for tag, x in page.tags
             if tag == "div" and x.get("class") == "case"]
  assert sum("first" in r for r in reasons) == 8 + 6
  for name in _METHODS:
    order = np.argsort(stored.methods[name].quality)
    for i in order[:4]:
      assert f"worst:{name}" in stored.shown[i]
    assert sum(f"worst:{name}" in r for r in reasons) == 4 + 3
    assert sum(f"best:{name}" in r for r in reasons) == 4 + 3
  for i in stored.shown:
    for what in ("image", "truth", *_METHODS):
      assert any(x["alt"] == f"{stored.ids[i]}: {what}"
                 for x in page.named("img"))
    assert f"{100 * stored.methods[_METHODS[0]].accuracy[i]:.1f}" in page.text


def test_views_of_the_script_are_kinds_of_images(workdir, page):
  text = (workdir / "report.html").read_text()
  views = re.search(r"const VIEWS = \{(.*?)\};", text, re.DOTALL)[1]
  kinds = set(re.findall(r'"(\w+)"', views))
  assert kinds == {x["data-kind"] for x in page.named("img")
                   if "data-kind" in x}
  buttons = {x["value"] for x in page.named("button")
             if x.get("data-set") == "view"}
  assert buttons == set(re.findall(r"(\w+): \[", views))


def test_stages_config_versions_and_commands_are_there(page):
  rows = {r[0]: r[1:] for r in page.rows}
  assert rows["supervised"] == ["300", "2 min 30 s", "1 min 01 s", "finished"]
  assert rows["gan"][-1] == "not finished"
  assert rows["gan.augment.policy"] == ['["color"]']
  assert rows["gan.r1_gamma"] == ["10.5"]
  assert {"class": "set"} in page.named("tr")
  assert rows["jax"][1] == "9.8.7"
  assert "python train.py --x='<a>'" in page.text
  assert "1,000 samples to 43.2 mIoU" in " ".join(page.text.split())


def test_a_run_in_training_has_a_page(tmp_path):
  _stage(tmp_path, "gan", done=False)
  page = _Page(report.write(tmp_path).read_text())
  assert "not finished" in page.text
  assert not any(x.get("id") == "scores" for _, x in page.tags)


def test_a_run_that_is_not_evaluated_has_its_own_config(tmp_path):
  _stage(tmp_path, "supervised", done=True)
  _stage(tmp_path, "gan", done=True)
  whole = _CONFIG | {"data": _CONFIG["data"] | {"num_labeled": 5}}
  (tmp_path / "config.json").write_text(json.dumps(whole))
  page = _Page(report.write(tmp_path).read_text())
  assert ["data.num_labeled", "5"] in page.rows
  stages = [r[0] for r in page.rows]
  assert stages.index("supervised") < stages.index("gan")


def test_scores_without_classes_or_images_have_a_page(tmp_path):
  records.save(tmp_path / "eval" / "test", records.make(
      {"synthesis": {"images": 4, "miou": 0.5}, "nothing": {"miou": None}},
      config={"method": "fewshot_smis"}, split="test", seconds=1.0))
  page = _Page(report.write(tmp_path).read_text())
  assert ["synthesis", "50.0"] in page.rows
  assert ["nothing", "–"] in page.rows


def test_scores_of_a_study_have_a_page(tmp_path):
  made = lambda methods, study: records.make(
      methods, config={"method": "fewshot_smis"}, split="test", seconds=1.0,
      extra={"study": study})
  records.save(tmp_path / "synthesis/eval/test", made(
      {"random sample": {"images": 4, "miou": 0.25}}, "synthesis"))
  records.save(tmp_path / "few_shot/eval/test", made(
      {"auto-shot": {"shots1": {"miou": [0.5]}}}, "few_shot"))
  page = _Page(report.write(tmp_path).read_text())
  assert ["random sample", "25.0"] in page.rows
  assert "test, synthesis" in page.text
  assert "auto-shot" not in page.text  # its table has numbers of shots


def test_a_folder_without_a_run_is_refused(tmp_path):
  with pytest.raises(FileNotFoundError, match="no run is there"):
    report.write(tmp_path)


def test_a_folder_of_runs_is_none(tmp_path):
  for name, score in (("a", 0.25), ("b", 0.5)):
    records.save(tmp_path / name / "eval/test", records.make(
        {"supervised": {"miou": score}}, config=_CONFIG, split="test",
        seconds=1.0))
    (tmp_path / name / "config.json").write_text(json.dumps(_CONFIG))
  with pytest.raises(FileNotFoundError, match="folder of runs.* a, b"):
    report.write(tmp_path)
  shutil.move(tmp_path / "b", tmp_path / "a" / "b")
  page = _Page(report.write(tmp_path / "a").read_text())
  assert ["supervised", "25.0"] in page.rows
  assert ["supervised", "50.0"] not in page.rows
  assert len([r for r in page.rows if r[0] == "Method"]) == 2  # of one split


@pytest.mark.parametrize(("split", "out"), [("other", True), ("val", False)])
def test_out_of_domain_is_what_the_config_says(tmp_path, split, out):
  for name, score in (("test", 0.5), (split, 0.25)):
    records.save(tmp_path / "eval" / name, records.make(
        {"supervised": {"miou": score}}, config=_CONFIG, split=name,
        seconds=1.0))
  page = _Page(report.write(tmp_path).read_text())
  assert ("Out of domain: other." in page.text) == out
  assert ["supervised", "50.0", "25.0", *(["-25.0"] if out else [])
          ] in page.rows
  assert [x["class"] for x in page.named("td") if "bar" in x.get("class", "")
          ] == ["bar", "bar out" if out else "bar"]


def test_errors_are_marked_where_labels_differ():
  truth = np.array([[0, 1], [255, 2]], np.uint8)
  predicted = np.array([[0, 2], [1, 2]], np.uint8)
  data = base64.b64decode(
      embedded.errors(truth, predicted, ignore_index=255).split(",")[1])
  shown = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))
  assert (shown[..., 3] > 0).tolist() == [[False, True], [True, False]]
  assert shown[0, 1, 0] > 200
  assert shown[1, 0, :3].tolist() == [150] * 3


@pytest.mark.parametrize(("shape", "size"), [
    ((10, 20, 3), (20, 10)), ((10, 20), (20, 10)), ((5, 5, 1), (5, 5)),
    ((400, 800, 3), (384, 192))])
def test_photos_are_reduced_to_the_page(shape, size):
  image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
  shown = _image(embedded.photo(image))
  assert shown.size == size


def test_curves_are_grouped_and_without_gaps():
  groups = charts.groups([
      {"step": 1, "seconds": 2, "d/loss": 1.0, "d/r1": None, "loss": 3},
      {"step": 2, "seconds": 3, "d/loss": float("nan"), "val/miou": 0.5}])
  assert groups == {
      "val": {"miou": ([2], [0.5])}, "d": {"loss": ([1], [1.0])},
      "training": {"loss": ([1], [3])}}
  assert next(iter(groups)) == "val"


def test_a_chart_names_its_curves():
  svg = charts.lines({"a_loss": ([1, 2], [1.0, 0.001]), "b": ([1], [3.0])})
  texts = "".join(ElementTree.fromstring(svg).itertext())
  for expected in ("a_loss", "b", "step"):
    assert expected in texts
