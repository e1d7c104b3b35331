"""Segments images with a trained model; needs no checkout.

  python segment_images.py runs/mine
"""

# %% A run's folder; `load` also takes an exported file or a shipped name.
import sys

import numpy as np

import semseg_jax

model = semseg_jax.load(sys.argv[1])
for method, score in model.methods.items():
  print(f"{method:20} {'' if score is None else f'{score:.3f}'}")
print("best on validation:", model.default_method)

# %% Images of any sizes, as uint8 arrays; yours come from Pillow or imageio.
rng = np.random.default_rng(0)
images = [rng.integers(0, 256, (*size, 3), dtype=np.uint8)
          for size in ((33, 47), (31, 31), (61, 21), (17, 91), (41, 43))]
methods = [m for m in model.methods if m != "fully_supervised"
           and "@" not in m][:3]
labels = {}
for method in methods:
  result = model.segment(images, method)
  labels[method] = result.labels
  print(method, [x.shape for x in result.labels], result.confidence.round(2))

# %% Samples of the generator, with labels.
samples = model.sample(4, seed=0, truncation=0.7)
print("samples", samples.images.shape, samples.labels.shape)

# %% One file with everything; it labels alike, to the bit.
model.export("model.safetensors")
copy = semseg_jax.load("model.safetensors")
for method in methods:
  for a, b in zip(labels[method], copy.segment(images, method).labels,
                  strict=True):
    np.testing.assert_array_equal(a, b)
print("export: same labels by", ", ".join(methods))
