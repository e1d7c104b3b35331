"""Scores of many predictors at once, resumable, without files of predictions.

For tables of dozens of variants, whose masks nobody looks at.
"""

from etils import epath
import numpy as np

from semseg_jax.data import pipeline
from semseg_jax.data import sources
from semseg_jax.ops import image_ops
from semseg_jax.ops import scores
from semseg_jax.training import chunks
from semseg_jax.training import console


def count(predict, source, *, spec, batch_size: int, size: int, out_dir,
          fingerprint: str) -> dict[str, np.ndarray]:
  """Confusion counts of every method on a labeled split.

  Args:
    predict: (images uint8 [B, S, S, C], indices [B]) -> {method: logits
      [B, S, S, K]}.
    source: labeled images; they are scored at their own sizes.
    spec: the data set's `Spec`.
    batch_size, size: B and S.
    out_dir: folder for one file per batch; finished ones are reused.
    fingerprint: stands for all that the predictions depend on.

  Returns {method: [C, C] counts, truth in rows}.

  Raises FloatingPointError: logits are not finite.
  """
  store = chunks.ChunkStore(epath.Path(out_dir), chunks.fingerprint(
      [fingerprint, list(source.ids), batch_size, size, spec.ignore_index,
       *(sources.contents(source, range(len(source))) or ())]))
  total = -(-len(source) // batch_size)
  missing = [k for k in range(total) if not store.done(k)]
  progress = console.Progress("score", total - len(missing), total)
  for number, k in enumerate(missing):
    rows = np.arange(k * batch_size, min((k + 1) * batch_size, len(source)))
    (batch,) = pipeline.eval_batches(
        sources.Subset(source, rows), size=size, batch_size=batch_size)
    predicted = predict(batch["image"], rows[batch["index"]].astype(np.int32))
    store.save(k, {
        method: sum(
            _one(method, logits[i], source[int(row)]["label"], spec)
            for i, row in enumerate(rows))
        for method, logits in predicted.items()})
    progress.report(total - len(missing) + number + 1, {})
  parts = [store.load(k) for k in range(total)]
  return {method: sum(p[method] for p in parts) for method in parts[0]}


def _one(method, logits, label, spec):
  return scores.confusion_matrix(
      label, image_ops.labels_at(logits, label.shape, row=method),
      spec.num_classes, spec.ignore_index)
