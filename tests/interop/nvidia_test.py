"""NVIDIA's StyleGAN2 layout: names, network pickles, and what they compute.

The networks below are written in NumPy from the papers' equations (Karras et
al. 2019 and 2020) under NVIDIA's names, on their own: no code is shared.
"""

import collections
import io
import math
import pickle
import sys
import types

import numpy as np
import pytest

from semseg_jax import interop
from semseg_jax.cli import convert
from semseg_jax.interop import network_pickles
from semseg_jax.interop import torch_files
from tests.interop import torch_writer

GENERATOR, DISCRIMINATOR = "stylegan2/generator", "stylegan2/discriminator"
TAPS = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64
WIDTHS = {4: 5, 8: 4, 16: 3}
STYLE, LAYERS = 6, 2


def normal(rng, *shape):
  return rng.standard_normal(shape, np.float32)


def generator_entries(seed=0):
  rng = np.random.default_rng(seed)
  e = {"synthesis.b4.const": normal(rng, WIDTHS[4], 4, 4)}
  width = WIDTHS[4]
  for side, out in WIDTHS.items():
    block = f"synthesis.b{side}"
    e[f"{block}.resample_filter"] = TAPS
    for name in ("conv0", "conv1")[side == 4:]:
      layer = f"{block}.{name}"
      e |= {f"{layer}.weight": normal(rng, out, width, 3, 3),
            f"{layer}.noise_strength": normal(rng).reshape(()),
            f"{layer}.bias": normal(rng, out),
            f"{layer}.resample_filter": TAPS,
            f"{layer}.noise_const": normal(rng, side, side),
            f"{layer}.affine.weight": normal(rng, width, STYLE),
            f"{layer}.affine.bias": 1 + normal(rng, width)}
      width = out
    e |= {f"{block}.torgb.weight": normal(rng, 3, width, 1, 1),
          f"{block}.torgb.bias": normal(rng, 3),
          f"{block}.torgb.affine.weight": normal(rng, width, STYLE),
          f"{block}.torgb.affine.bias": 1 + normal(rng, width)}
  for i in range(LAYERS):
    e[f"mapping.fc{i}.weight"] = 100 * normal(rng, STYLE, STYLE)
    e[f"mapping.fc{i}.bias"] = 100 * normal(rng, STYLE)
  return e | {"mapping.w_avg": normal(rng, STYLE)}


def discriminator_entries(seed=1):
  rng = np.random.default_rng(seed)
  e, sides = {}, (16, 8)
  e["b16.fromrgb.weight"] = normal(rng, WIDTHS[16], 3, 1, 1)
  e["b16.fromrgb.bias"] = normal(rng, WIDTHS[16])
  for side in sides:
    width, out = WIDTHS[side], WIDTHS[side // 2]
    e |= {f"b{side}.resample_filter": TAPS,
          f"b{side}.conv0.weight": normal(rng, width, width, 3, 3),
          f"b{side}.conv0.bias": normal(rng, width),
          f"b{side}.conv1.weight": normal(rng, out, width, 3, 3),
          f"b{side}.conv1.bias": normal(rng, out),
          f"b{side}.conv1.resample_filter": TAPS,
          f"b{side}.skip.weight": normal(rng, out, width, 1, 1),
          f"b{side}.skip.resample_filter": TAPS}
  c = WIDTHS[4]
  return e | {
      "b4.conv.weight": normal(rng, c, c + 1, 3, 3),
      "b4.conv.bias": normal(rng, c),
      "b4.fc.weight": normal(rng, c, 16 * c), "b4.fc.bias": normal(rng, c),
      "b4.out.weight": normal(rng, 1, c), "b4.out.bias": normal(rng, 1)}


def activated(x, gain=2 ** 0.5):
  return gain * np.where(x > 0, x, 0.2 * x)


def dense(x, weight, bias, rate=1.0):
  return x @ weight.T * (rate / math.sqrt(weight.shape[1])) + bias * rate


def correlate(x, weight, pad):
  """x [C, H, W], weight [O, C, k, k]; stride 1."""
  k = weight.shape[-1]
  x = np.pad(x, ((0, 0), pad, pad))
  windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), (1, 2))
  return np.einsum("chwij,ocij->ohw", windows, weight)


def blurred(x, taps, pad):
  eye = np.eye(len(x))[:, :, None, None]
  return correlate(x, eye * taps, pad)


def zeros_between(x):
  y = np.zeros((x.shape[0], 2 * x.shape[1], 2 * x.shape[2]))
  y[:, ::2, ::2] = x
  return y


def upsampled(x):
  return blurred(zeros_between(x), 4 * TAPS, (2, 1))


def modulated(e, layer, x, w, up=False):
  weight = e[f"{layer}.weight"].astype(np.float64)
  style = dense(w, e[f"{layer}.affine.weight"], e[f"{layer}.affine.bias"])
  weight = weight * style[None, :, None, None]
  weight /= np.sqrt((weight ** 2).sum((1, 2, 3), keepdims=True) + 1e-8)
  if up:
    # A transposed convolution: each pixel is spread over its kernel.
    y = np.pad(zeros_between(x), ((0, 0), (2, 2), (2, 2)))
    y = correlate(y, weight[:, :, ::-1, ::-1], (0, 0))[:, :-1, :-1]
    y = blurred(y, 4 * TAPS, (1, 1))
  else:
    y = correlate(x, weight, (1, 1))
  y = y + e[f"{layer}.noise_strength"] * e[f"{layer}.noise_const"]
  return activated(y + e[f"{layer}.bias"][:, None, None])


def generated(e, z):
  """The image [H, W, 3] of one z, with the constant noise."""
  w = z / np.sqrt((z ** 2).mean() + 1e-8)
  for i in range(LAYERS):
    w = activated(dense(
        w, e[f"mapping.fc{i}.weight"], e[f"mapping.fc{i}.bias"], 0.01))
  x, image = e["synthesis.b4.const"], None
  for side in WIDTHS:
    block = f"synthesis.b{side}"
    if side > 4:
      x = modulated(e, f"{block}.conv0", x, w, up=True)
    x = modulated(e, f"{block}.conv1", x, w)
    style = dense(w, e[f"{block}.torgb.affine.weight"],
                  e[f"{block}.torgb.affine.bias"])
    weight = e[f"{block}.torgb.weight"][:, :, 0, 0] * style / math.sqrt(
        len(x))
    rgb = np.einsum("oc,chw->ohw", weight, x) + e[
        f"{block}.torgb.bias"][:, None, None]
    image = rgb if image is None else upsampled(image) + rgb
  return image.transpose(1, 2, 0)


def score(e, images):
  """Logits of images [N, H, W, 3], one group of the batch deviation."""
  last = []
  for x in images.transpose(0, 3, 1, 2):
    layer = lambda x, name, pad, scale=1.0: activated(correlate(
        x, e[f"{name}.weight"] / math.sqrt(e[f"{name}.weight"][0].size),
        pad) + e[f"{name}.bias"][:, None, None], math.sqrt(2) * scale)
    x = layer(x, "b16.fromrgb", (0, 0))
    for side in (16, 8):
      half = math.sqrt(0.5)
      weight = e[f"b{side}.skip.weight"]
      skip = half * correlate(
          blurred(x, TAPS, (1, 1))[:, ::2, ::2],
          weight / math.sqrt(weight[0].size), (0, 0))
      x = layer(x, f"b{side}.conv0", (1, 1))
      weight = e[f"b{side}.conv1.weight"]
      x = correlate(blurred(x, TAPS, (2, 2)),
                    weight / math.sqrt(weight[0].size), (0, 0))[:, ::2, ::2]
      x = skip + half * activated(x + e[f"b{side}.conv1.bias"][:, None, None])
    last.append(x)
  x = np.stack(last)
  deviation = np.sqrt(x.var(0) + 1e-8).mean()
  logits = []
  for y in x:
    y = np.concatenate([y, np.full((1, 4, 4), deviation)])
    y = layer(y, "b4.conv", (1, 1))
    y = activated(dense(y.ravel(), e["b4.fc.weight"], e["b4.fc.bias"]))
    logits.append(dense(y, e["b4.out.weight"], e["b4.out.bias"]))
  return np.stack(logits)


def test_generator_draws_what_the_equations_say():
  e = generator_entries()
  module, variables = interop.from_torch(GENERATOR, e)
  z = normal(np.random.default_rng(3), 2, STYLE)
  sample, _ = module.apply(variables, module.apply(
      variables, z, method="mapping")[:, None].repeat(module.num_ws, 1),
      None, method="synthesize")
  for one, image in zip(z, sample.image, strict=True):
    np.testing.assert_allclose(image, generated(e, one), rtol=2e-4, atol=2e-4)
  np.testing.assert_array_equal(
      list(variables["mean"].values())[0], e["mapping.w_avg"])


def test_discriminator_scores_what_the_equations_say():
  e = discriminator_entries()
  module, variables = interop.from_torch(DISCRIMINATOR, e)
  images = normal(np.random.default_rng(4), 3, 16, 16, 3)
  np.testing.assert_allclose(
      module.apply(variables, images)[0].reshape(-1, 1), score(e, images),
      rtol=2e-4, atol=2e-4)


def fake_modules():
  """Stand-ins under the names that NVIDIA's pickles hold."""
  persistence = types.ModuleType("torch_utils.persistence")
  util = types.ModuleType("dnnlib.util")
  storage = types.ModuleType("torch.storage")
  utils = types.ModuleType("torch._utils")

  class EasyDict(dict):
    def __setattr__(self, name, value):
      self[name] = value

  EasyDict.__module__, EasyDict.__qualname__ = "dnnlib.util", "EasyDict"
  util.EasyDict = EasyDict

  def named(module, name):
    def function(*args):
      raise AssertionError("only its name is used")
    function.__module__ = module.__name__
    function.__name__ = function.__qualname__ = name
    setattr(module, name, function)
    return function

  return {
      "torch_utils": types.ModuleType("torch_utils"),
      "torch_utils.persistence": persistence,
      "dnnlib": types.ModuleType("dnnlib"), "dnnlib.util": util,
      "torch": types.ModuleType("torch"), "torch.storage": storage,
      "torch._utils": utils}, EasyDict, (
          named(persistence, "_reconstruct_persistent_obj"),
          named(storage, "_load_from_bytes"),
          named(utils, "_rebuild_tensor_v2"))


def network_pickle(path, networks, mark=None, **more):
  """What NVIDIA's code pickles: networks as persistent objects."""
  modules, EasyDict, (persistent, load_bytes, rebuild) = fake_modules()

  class Bytes:
    def __init__(self, data):
      self.data = data

    def __reduce__(self):
      return load_bytes, (self.data,)

  class Tensor:
    def __init__(self, array):
      self.array = np.asarray(array)

    def __reduce__(self):
      path.with_suffix(".part").unlink(missing_ok=True)
      torch_writer.save(path.with_suffix(".part"), torch_writer.Storage(
          self.array.ravel()), legacy=True)
      data = path.with_suffix(".part").read_bytes()
      stride = [int(np.prod(self.array.shape[i + 1:]))
                for i in range(self.array.ndim)]
      return rebuild, (Bytes(data), 0, self.array.shape, tuple(stride), False,
                       collections.OrderedDict())

  class Persistent:
    def __init__(self, name, tree):
      self.name, self.tree = name, tree

    def __reduce__(self):
      state = EasyDict(
          training=False, _init_args=(), _init_kwargs=EasyDict(z_dim=STYLE),
          _parameters=collections.OrderedDict(),
          _buffers=collections.OrderedDict(),
          _modules=collections.OrderedDict(), _backward_hooks={})
      for key, value in self.tree.items():
        if isinstance(value, dict):
          state["_modules"][key] = Persistent("Part", value)
        else:
          kind = "_buffers" if key.endswith(("filter", "const", "avg")) else (
              "_parameters")
          state[kind][key] = Tensor(value)
      source = f"open({str(mark)!r}, 'w')" if mark else "import torch"
      return persistent, (EasyDict(
          type="class", version=6, module_src=source, class_name=self.name,
          state=dict(state)),)

  def tree(entries):
    root = {}
    for name, value in entries.items():
      *parts, last = name.split(".")
      node = root
      for part in parts:
        node = node.setdefault(part, {})
      node[last] = value
    return root

  before = {n: sys.modules.get(n) for n in modules}
  sys.modules.update(modules)
  try:
    content = pickle.dumps({
        k: Persistent("Network", tree(v)) for k, v in networks.items()} | more)
  finally:
    for name, module in before.items():
      if module is None:
        del sys.modules[name]
      else:
        sys.modules[name] = module
  path.write_bytes(content)


def test_network_pickles_are_plain_data(tmp_path):
  e, d, mark = generator_entries(), discriminator_entries(), tmp_path / "mark"
  path = tmp_path / "network.pkl"
  network_pickle(path, {"G": e, "D": d, "G_ema": e}, mark, augment_pipe=None)
  content = network_pickles.load(path)
  assert {k: np.asarray(v).tobytes() for k, v in content["G_ema"].items()} == {
      k: np.asarray(v).tobytes() for k, v in e.items()}
  assert content["augment_pipe"] is None
  assert not mark.exists()
  output = tmp_path / "out.safetensors"
  notes = convert.convert(GENERATOR, [str(path)], str(output))
  assert not any("left out" in n for n in notes)
  assert interop.load(output)[0].size == 16
  convert.convert(DISCRIMINATOR, [f"{path}:D"], str(output))
  assert interop.load(output)[0].size == 16


def test_damaged_network_pickles(tmp_path):
  path = tmp_path / "network.pkl"
  network_pickle(path, {"G_ema": {"a": np.ones(3, np.float32)}})
  whole = path.read_bytes()
  for size in range(0, len(whole), 37):
    path.write_bytes(whole[:size])
    with pytest.raises(torch_files.TorchFileError, match=r"network\.pkl"):
      network_pickles.load(path)
  for code in (b"cos\nsystem\n(Vtrue\ntR.", b"cbuiltins\nexec\n(V1\ntR.",
               b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n(NtR.",
               b"ctorch.storage\n_load_from_bytes\n(C\x01xtR.",
               b"ctorch.storage\n_load_from_bytes\n(NtR."):
    path.write_bytes(code)
    with pytest.raises(torch_files.TorchFileError, match=r"network\.pkl"):
      network_pickles.load(path)


def test_pickles_of_tensorflow_are_named(tmp_path):
  path = tmp_path / "network.pkl"
  path.write_bytes(b"(cdnnlib.tflib.network\nNetwork\n)\x81Nt.")
  with pytest.raises(torch_files.TorchFileError,
                     match=r"dnnlib\.tflib\.network\.Network.*TensorFlow"):
    network_pickles.load(path)


def test_torch_files_by_another_name(tmp_path):
  path = tmp_path / "a.pkl"
  for legacy in (False, True):
    torch_writer.save(
        path, {"w": torch_writer.Tensor(np.ones(3, np.float32))}, legacy=legacy)
    np.testing.assert_array_equal(network_pickles.load(path)["w"], np.ones(3))


@pytest.mark.parametrize(("kind", "change", "message"), [
    (GENERATOR, {"mapping.embed.weight": np.ones((6, 2))}, "conditional"),
    (DISCRIMINATOR, {"mapping.fc0.weight": np.ones((6, 2))}, "conditional"),
    (GENERATOR, {"synthesis.b4.torgb.weight": None}, "torgb.*architecture"),
    (DISCRIMINATOR, {"b16.skip.weight": None}, "skip.*architecture"),
    (GENERATOR, {"synthesis.L0_36_512.weight": np.ones(3)}, "StyleGAN3"),
    (GENERATOR, {"synthesis.b8.conv0.weight": None},
     r"convs\.0\.conv\.weight"),
    (GENERATOR, {"extra.weight": np.ones(3)}, r"extra\.weight"),
    (GENERATOR, {"synthesis.b8.resample_filter": 2 * TAPS}, "another filter"),
])
def test_what_is_not_read_is_named(kind, change, message):
  entries = (generator_entries() if kind == GENERATOR
             else discriminator_entries()) | change
  entries = {k: v for k, v in entries.items() if v is not None}
  with pytest.raises(ValueError, match=message):
    interop.from_torch(kind, entries)


def test_the_other_network(tmp_path):
  del tmp_path
  with pytest.raises(ValueError, match=DISCRIMINATOR):
    interop.from_torch(GENERATOR, discriminator_entries())
  with pytest.raises(ValueError, match=GENERATOR):
    interop.from_torch(DISCRIMINATOR, generator_entries())


def test_bytes_of_storages_are_read(tmp_path):
  """`io` stands in for a file: the older format within a pickle."""
  torch_writer.save(tmp_path / "a", torch_writer.Storage(
      np.arange(4, dtype=np.float32)), legacy=True)
  data = (tmp_path / "a").read_bytes()
  np.testing.assert_array_equal(
      torch_files.load_legacy("a", io.BytesIO(data), len(data)), np.arange(4))
