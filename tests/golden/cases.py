"""Golden cases: manifests, redrawn weights and comparison (NumPy only).

Conventions: the READMEs beside the cases. Arrays on disk are NCHW as in
PyTorch; the functions that compare take NCHW too. Two layouts are told apart
by the manifest's key: `state` (Case) or `entries` (EntriesCase).
"""

import ast
import json
import pathlib
import zlib

import numpy as np


def find(root) -> list[pathlib.Path]:
  """Case folders below `root`: those with a manifest.json or schedules.json."""
  root = pathlib.Path(root)
  return sorted(p.parent for name in ("manifest.json", "schedules.json")
                for p in root.rglob(name))


def load(folder):
  """The case in a folder, of the class that its manifest asks for."""
  path = pathlib.Path(folder) / "manifest.json"
  if not path.exists():
    return TableCase(folder)
  entries = "entries" in (manifest := json.loads(path.read_text()))
  # Cases without weights name neither; only one layout lists `arrays`.
  return (EntriesCase if entries or "arrays" in manifest else Case)(folder)


def base_draw(name: str, shape, salt: str = "") -> np.ndarray:
  """Standard normal float32 array seeded by the entry's name."""
  rng = np.random.default_rng(zlib.crc32((salt + name).encode()))
  return rng.standard_normal(tuple(shape), dtype=np.float32)


def _unit(x):
  return x / max(float(np.sqrt((x * x).sum())), 1e-12)


def _spectral(weight, start, iterations):
  matrix = weight.reshape(weight.shape[0], -1).astype(np.float64)
  u = _unit(start.astype(np.float64))
  v = np.zeros(matrix.shape[1])
  for _ in range(iterations):
    v = _unit(matrix.T @ u)
    u = _unit(matrix @ v)
  return u.astype(np.float32), v.astype(np.float32)


def _draw_group(entries: dict, salt: str) -> dict[str, np.ndarray]:
  arrays = {}
  for name, e in entries.items():
    if e["rule"] == "constant":
      arrays[name] = np.array(e["values"], e["dtype"]).reshape(e["shape"])
    elif e["rule"] in ("normal", "abs_normal"):
      n = base_draw(name, e["shape"], salt)
      n = np.abs(n) if e["rule"] == "abs_normal" else n
      arrays[name] = n * np.float32(e["scale"]) + np.float32(e["offset"])
    elif e["rule"] not in ("spectral_u", "spectral_v"):
      raise ValueError(f"{name}: unknown rule {e['rule']}")
  for name, e in entries.items():
    if e["rule"] in ("spectral_u", "spectral_v"):
      weight = arrays[e["of"]]
      start = base_draw(e["u_name"], [weight.shape[0]], salt)
      u, v = _spectral(weight, start, e["iters"])
      arrays[name] = u if e["rule"] == "spectral_u" else v
  return {name: arrays[name] for name in entries}


class _Folder:
  """What all layouts have in common; `kind` is the manifest's key of what is
  to be used, as input or as output."""
  kind = "arrays"

  def __init__(self, folder):
    self.folder = pathlib.Path(folder)
    self.name = self.folder.name
    self.manifest = json.loads((self.folder / "manifest.json").read_text())
    with np.load(self.folder / "io.npz") as z:
      self.arrays = {k: z[k] for k in z.files}
    self.used = set()

  def check(self, key: str, got, tol: float, *, by: str = "error"):
    """Asserts that `got` is within `tol`; 0 asks for equality.

    Args:
      by: "error", or "rel_l2" of a `Case`.
    """
    value = getattr(self, by)(key, got)
    assert value <= tol, f"{self.name}:{key}: {by} {value:.3g} > {tol:.3g}"
    self.used.add(key)

  def check_complete(self):
    """Asserts that everything was compared, or taken as input."""
    missing = set(self.manifest[self.kind]) - self.used
    assert not missing, f"{self.name}: not compared: {sorted(missing)}"


class Case(_Folder):
  """One folder: `manifest`, `inputs` by key, and the expected outputs."""
  kind = "outputs"

  def __init__(self, folder):
    super().__init__(folder)
    self.inputs = {
        k[3:]: v for k, v in self.arrays.items() if k.startswith("in/")}

  def state_dict(self, group: str) -> dict[str, np.ndarray]:
    """A network's state dict, redrawn; raises if the sums do not match."""
    entries = self.manifest["state"][group]
    arrays = _draw_group(entries, self.manifest.get("salt", {}).get(group, ""))
    for name, e in entries.items():
      total = float(np.abs(arrays[name].astype(np.float64)).sum())
      if abs(total - e["abs_sum"]) > 1e-6 * max(e["abs_sum"], 1e-30):
        raise AssertionError(
            f"{self.name}: {group}/{name} was not redrawn as recorded; this "
            "NumPy draws other normal numbers")
    return arrays

  def expected(self, key: str) -> np.ndarray:
    """The recorded output `key` (its strided sample if it is sampled)."""
    d = self.manifest["outputs"][key]
    suffix = "/sample" if "sample_stride" in d else ""
    return self.arrays[f"out/{key}{suffix}"]

  def _sampled(self, key: str, got) -> np.ndarray:
    d = self.manifest["outputs"][key]
    got = np.asarray(got, np.float64)
    assert list(got.shape) == d["shape"], (key, got.shape, d["shape"])
    if "sample_stride" not in d:
      return got
    return got[tuple(slice(None, None, s) for s in d["sample_stride"])]

  def error(self, key: str, got) -> float:
    """Largest |got - expected| over the rms of the expected tensor."""
    d = self.manifest["outputs"][key]
    sampled = self._sampled(key, got)
    if not sampled.size:
      return 0.0
    errors = [np.abs(sampled - self.expected(key)).max()]
    if "stats" in d:
      got = np.asarray(got, np.float64)
      for name, value in (("mean", got.mean((2, 3))), ("std", got.std((2, 3))),
                          ("absmean", np.abs(got).mean((2, 3)))):
        errors.append(np.abs(value - self.arrays[f"out/{key}/{name}"]).max())
    return float(max(errors) / max(d.get("rms", 1.0), 1e-12))

  def rel_l2(self, key: str, got) -> float:
    """Relative L2 gap over the stored values."""
    reference = self.expected(key).astype(np.float64)
    gap = np.sqrt(((self._sampled(key, got) - reference) ** 2).sum())
    return float(gap / max(np.sqrt((reference ** 2).sum()), 1e-30))

  def sample_errors(self, key: str, got) -> np.ndarray:
    """[N]: relative L2 gap of each sample of a batch, recorded statistics too.
    """
    pairs = [(self._sampled(key, got), self.expected(key))]
    if "stats" in self.manifest["outputs"][key]:
      got = np.asarray(got, np.float64)
      pairs += [(value, self.arrays[f"out/{key}/{name}"]) for name, value in (
          ("std", got.std((2, 3))), ("absmean", np.abs(got).mean((2, 3))))]
    norm = lambda x: np.sqrt(np.square(
        x.astype(np.float64)).reshape(len(x), -1).sum(1))
    return np.max([norm(a - b) / np.maximum(norm(b), 1e-30)
                   for a, b in pairs], 0)


def nhwc(x) -> np.ndarray:
  """Maps as the product has them, from PyTorch's layout."""
  return np.moveaxis(np.asarray(x), 1, -1)


def nchw(x) -> np.ndarray:
  """The other way round; other arrays stay."""
  x = np.asarray(x)
  return np.moveaxis(x, -1, 1) if x.ndim == 4 else x


def rng_for(text: str) -> np.random.Generator:
  """Generator seeded by the CRC-32 of a text."""
  return np.random.default_rng(zlib.crc32(text.encode()))


def make_entry(name: str, spec: dict, salt: str = "") -> np.ndarray:
  """One tensor redrawn by its spec {shape, scale, offset, flags, values?}."""
  flags, shape = spec.get("flags", []), tuple(spec["shape"])
  if "values" in flags:
    out = np.asarray(spec["values"], np.float32).reshape(shape)
  elif "const" in flags:
    out = np.full(shape, spec["offset"], np.float32)
  else:
    n = rng_for(salt + name).standard_normal(shape, dtype=np.float32)
    n = np.abs(n) if "abs" in flags else np.asarray(n)
    out = n * np.float32(spec["scale"]) + np.float32(spec["offset"])
  return np.asarray(out, np.int64 if "int" in flags else np.float32)


def normal_input(tag: str, shape, scale=1.0, offset=0.0) -> np.ndarray:
  """An input too large to store, redrawn from its tag."""
  return make_entry(tag, {"shape": shape, "scale": scale, "offset": offset})


def block_labels(tag, n, h, w, num_classes, block, ignore=None,
                 ignore_share=0.0) -> np.ndarray:
  """Label maps int64 [n, h, w]: a random grid of cells `block` pixels wide."""
  rng = rng_for(tag)
  rows, cols = -(-h // block), -(-w // block)
  coarse = rng.integers(0, num_classes, size=(n, rows, cols))
  if ignore is not None:
    ignored = rng.random((n, rows, cols)) < ignore_share
    coarse = np.where(ignored, ignore, coarse)
  fine = coarse.repeat(block, axis=1).repeat(block, axis=2)
  return np.ascontiguousarray(fine[:, :h, :w]).astype(np.int64)


def one_hot_nchw(labels, num_classes: int) -> np.ndarray:
  """float32 [N, C, H, W]; labels outside [0, C) are zero vectors."""
  classes = np.arange(num_classes).reshape(1, -1, 1, 1)
  return (labels[:, None] == classes).astype(np.float32)


def class_features(tag, labels, channels, num_classes, mix=1.0, noise=1.0):
  """float32 [N, C, H, W]: mix * the class's center + noise * white noise."""
  centres = class_centres(tag, num_classes, channels)
  white = rng_for(tag + "/white").standard_normal(
      (labels.shape[0], channels) + labels.shape[1:], dtype=np.float32)
  picked = np.moveaxis(centres[labels], -1, 1)
  return picked * np.float32(mix) + white * np.float32(noise)


def class_centres(tag, num_classes, channels) -> np.ndarray:
  """float32 [num_classes, channels]."""
  return rng_for(tag + "/centres").standard_normal(
      (num_classes, channels), dtype=np.float32)


_INPUTS = {f.__name__: f for f in (
    normal_input, block_labels, one_hot_nchw, class_features)}


def evaluate(expression: str):
  """Value of a manifest's input expression: calls of the functions above."""

  def value(node):
    if isinstance(node, ast.Call):
      name = node.func.attr if isinstance(
          node.func, ast.Attribute) else node.func.id
      return _INPUTS[name](
          *map(value, node.args), **{k.arg: value(k.value)
                                     for k in node.keywords})
    return ast.literal_eval(node)

  return value(ast.parse(expression.strip(), mode="eval").body)


class EntriesCase(_Folder):
  """A folder of the second layout: `manifest` and stored arrays by key.

  Every array of the manifest is an input (taken by `input`) or an output
  (compared by `check`).
  """

  def state_dict(self, prefix: str = "") -> dict[str, np.ndarray]:
    """Entries below `prefix`, redrawn, the prefix left out of their names."""
    salt = self.manifest.get("salt", "")
    return {name.removeprefix(prefix): make_entry(name, spec, salt)
            for name, spec in self.manifest["entries"].items()
            if name.startswith(prefix)}

  def draw(self, key: str):
    """The input that the manifest gives as an expression under `inputs`."""
    return evaluate(self.manifest["inputs"][key])

  def input(self, key: str) -> np.ndarray:
    """A stored array that the case starts from."""
    self.used.add(key)
    return self.arrays[key]

  def error(self, key: str, got) -> float:
    """Largest |got - expected| over the largest |expected|; 0/0 = 0."""
    want = np.asarray(self.arrays[key], np.float64)
    got = np.asarray(got, np.float64)
    assert got.shape == want.shape, (self.name, key, got.shape, want.shape)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want), key)
    if not want.size:
      return 0.0
    gap = np.nan_to_num(np.abs(got - want)).max()
    return float(gap / max(np.nan_to_num(np.abs(want)).max(), 1e-30))


class TableCase(_Folder):
  """A folder with tables of numbers in schedules.json."""

  def __init__(self, folder):
    self.folder = pathlib.Path(folder)
    self.name = self.folder.name
    self.tables = json.loads((self.folder / "schedules.json").read_text())
    self.manifest = {self.kind: self.tables}
    self.used = set()

  def table(self, key: str):
    """The table `key`, marked as compared."""
    self.used.add(key)
    return self.tables[key]
