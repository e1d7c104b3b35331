"""What several tables share: sources, and columns and rows made from lists.

evaluation/paper_table.py describes the fields. A published number stands in
the row of its method, in the order of the columns, with the key of its source;
`status="recalled"` marks numbers that nobody has seen in a source.
"""

_SOURCES = {
    "SG-page": (
        "github nv-tlabs/semanticGAN @fbe36bb docs/resources/*-results.png, "
        "the official project page's pictures of the paper's tables, "
        "transcribed by eye"),
    "SG-poster": (
        "github nv-tlabs/semanticGAN @fbe36bb docs/resources/"
        "cvpr21_poster_semanticGAN_update.pdf, the official CVPR poster, "
        "transcribed by eye"),
    "CutMixNB": (
        'github Britefury/cutmix-semisup-seg @af6183a "Colour augmentation'
        '.ipynb" (the authors of arXiv 2110.04487 quoting Mittal et al.)'),
    "DMT": (
        "github voldemortX/DST-CBC @c31b09e SEGMENTATION.md (the authors of "
        "DMT quoting Mittal et al.)"),
    "S4-i15": (
        "https://github.com/sud0301/semisup-semseg/issues/15 (the first "
        "author's reply, 2021-04-27)"),
    "PWC2": (
        "https://paperswithcode2.com/paper/112927 (stored page, results of "
        "arXiv 1908.05724)"),
    "SLiMe": (
        "SLiMe (ICLR 2024), Tables 2-4 and B.1, which quote the paper"),
    "memory": "recalled, seen in no source: not a target",
}
# Settings of the semi-supervised tables that stand in several rows.
IMAGENET = "DeepLabv2 ResNet-101, ImageNet pretraining"
LPIPS = {"perceptual.weights": "lpips_vgg.safetensors"}


def sources(*keys):
  """The named sources."""
  return {key: _SOURCES[key] for key in keys}


def label_columns(counts, splits):
  """For each count of labels a column for each (data set, split)."""
  return [
      dict(name=f"{group} @ {count}", split=split, labels=count, group=group,
           arguments={"labels": count}, domain="out" if i else "in")
      for count in counts for i, (group, split) in enumerate(splits)]


def part_columns(parts, *, average=True):
  """A column for each (heading, class), and their mean."""
  columns = [dict(name=heading, metric=f"per_class_iou.{name}")
             for heading, name in parts]
  return columns + [dict(name="Average", metric="miou")] * average


def domain_columns(counts, in_domain, out_of_domain=()):
  """For each count of labels a column for each split of one data set."""
  columns = label_columns(
      counts, [(split, split) for split in (in_domain, *out_of_domain)])
  for column in columns:
    # One curve of both domains.
    column["group"] = "in domain" if column["domain"] == "in" else (
        f"out of domain, {column['split']}")
  return columns


def semantic_gan_rows(config, other, unlabeled, numbers):
  """The rows of SemanticGAN's tables.

  Args:
    config: name of the config in configs/semantic_gan.
    other: name of the config in configs/semisup that has the baselines.
    unlabeled: the setting, as the tables put it.
    numbers: method -> published values.
  """
  ours = {"config": f"configs/semantic_gan/{config}.py", "files": LPIPS}
  baseline = lambda method: {
      "config": f"configs/semisup/{other}.py", "method": method,
      "arguments": {"method": method}}
  runs = {
      "U-Net": ours | {"method": "supervised", "baseline": True},
      "DeepLab": baseline("supervised") | {"baseline": True},
      "MT": baseline("mean_teacher"),
      "AdvSSL": baseline("adv_ssl"),
      "GCT": {},
      "Ours-NO": ours | {"method": "encoder"},
      "Ours": ours | {"method": "inversion"},
  }
  return [
      dict(name=name, published=values, source="SG-page", confidence="high",
           setting="labelled only" if runs[name].get("baseline")
           else unlabeled, **runs[name])
      for name, values in numbers.items()]


def semisup_rows(config, methods, numbers):
  """Rows (method, published values, source, confidence) on one backbone.

  Args:
    config: name of the config in configs/semisup.
    methods: name of the row -> the config's `method`.
    numbers: rows of (name, values, source, confidence, note); source "memory"
      marks recalled ones.
  """
  return [
      dict(name=name, setting=IMAGENET, published=values, source=source,
           confidence=confidence, note=note,
           status="recalled" if source == "memory" else "seen",
           config=f"configs/semisup/{config}.py", method=methods[name],
           arguments={"method": methods[name]})
      for name, values, source, confidence, note in numbers]


def semisup_methods(config):
  """The rows of our own semi-supervised tables: every method, no numbers."""
  methods = (("supervised", "labelled only"), ("adv_ssl", "+ unlabelled"),
             ("s4gan", "+ unlabelled"),
             ("s4gan_mlmt", "+ unlabelled"))
  return [
      dict(name=name, setting=setting, method=name,
           config=f"configs/semisup/{config}.py", arguments={"method": name},
           baseline=name == "supervised") for name, setting in methods]
