"""Golden cases: manifests, redrawn weights and comparison (NumPy only).

Conventions: the READMEs beside the cases. Arrays on disk are NCHW as in
PyTorch; `Case.check` and `Case.rel_l2` take NCHW too.
"""

import json
import pathlib
import zlib

import numpy as np


def find(root) -> list[pathlib.Path]:
  """Every case folder below `root`: one that holds a manifest.json."""
  return sorted(p.parent for p in pathlib.Path(root).rglob("manifest.json"))


def base_draw(name: str, shape, salt: str = "") -> np.ndarray:
  """Standard normal float32 array drawn from the entry's name."""
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


class Case:
  """One folder: `manifest`, `inputs` by key, and the expected outputs."""

  def __init__(self, folder):
    self.folder = pathlib.Path(folder)
    self.name = self.folder.name
    self.manifest = json.loads((self.folder / "manifest.json").read_text())
    with np.load(self.folder / "io.npz") as z:
      self.arrays = {k: z[k] for k in z.files}
    self.inputs = {
        k[3:]: v for k, v in self.arrays.items() if k.startswith("in/")}
    self.compared = set()

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

  def check(self, key: str, got, tol: float, *, by: str = "error"):
    """Asserts that `got` is within `tol`; `by` is "error" or "rel_l2"."""
    value = getattr(self, by)(key, got)
    assert value <= tol, f"{self.name}:{key}: {by} {value:.3g} > {tol:.3g}"
    self.compared.add(key)

  def check_complete(self):
    """Asserts that every output of the manifest has been compared."""
    missing = set(self.manifest["outputs"]) - self.compared
    assert not missing, f"{self.name}: not compared: {sorted(missing)}"
