"""What several tables share: sources, and columns and rows made from lists.

tables/definition.py describes the fields. A published number stands in
the row of its method, in the order of the columns, with the key of its source;
`status="recalled"` marks numbers that nobody has seen in a source.
"""

from configs import data_sets

_SOURCES = {
    "SG-page": (
        "github nv-tlabs/semanticGAN @fbe36bb docs/resources/*-results.png, "
        "the official project page's images of the paper's tables, "
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
# Of segmenters with ImageNet features, as rows call them.
BACKBONE = " on EfficientNet-Lite"
# Settings of the semi-supervised tables that stand in several rows.
IMAGENET = "DeepLabv2 ResNet-101, ImageNet pretraining"
# Files of converted weights, by the names that docs/reproduce.md gives them.
LPIPS = {"perceptual.weights": "lpips_vgg.safetensors"}
_TRUNK = {"segmenter.weights": "resnet101.safetensors"}
RESNET = _TRUNK | {"mlmt.weights": "resnet101.safetensors"}
SYNTHESIS_NOTES = (
    "mIoU of a real segmenter's labels of the images against their layouts.",
    "No result table of the paper could be found: no published number stands "
    "here.")


def generator(name):
  """Files of a pre-trained generator of `name` and of LPIPS."""
  return LPIPS | {"generator.weights": f"stylegan2_{name}.safetensors"}


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


def domain_columns(counts, splits):
  """For each count of labels a column for each split, in domain first.

  Args:
    counts: of labels.
    splits: their names, or that of the data set.
  """
  if isinstance(splits, str):
    splits = data_sets.splits(splits)
  columns = label_columns(counts, [(split, split) for split in splits])
  for column in columns:
    # One curve of both domains.
    column["group"] = "in domain" if column["domain"] == "in" else (
        f"out of domain, {column['split']}")
  return columns


def shot_columns(splits, *, counts=(1, 5)):
  """`domain_columns` for counts of shots."""
  columns = domain_columns(counts, splits)
  return [column | {"arguments": {"shots": column["labels"]}}
          for column in columns]


def few_shot_columns(splits):
  """The same where one run has all numbers of shots."""
  return [column | {"arguments": {}, "metric": f"shots{column['labels']}.miou"}
          for column in shot_columns(splits)]


def semantic_gan_rows(config, unlabeled, numbers):
  """The rows of SemanticGAN's tables.

  Args:
    config: name of the config in configs/semantic_gan, and of the one in
      configs/semisup that has the baselines.
    unlabeled: the setting, as the tables put it.
    numbers: method -> published values.
  """
  new = {"config": f"configs/semantic_gan/{config}.py", "files": LPIPS}
  baseline = lambda method: {
      "config": f"configs/semisup/{config}.py", "method": method,
      "arguments": {"method": "baselines"}, "files": _TRUNK}
  runs = {
      "U-Net": new | {"method": "supervised", "baseline": True},
      "DeepLab": baseline("supervised") | {"baseline": True},
      "MT": baseline("mean_teacher"),
      "AdvSSL": baseline("adv_ssl"),
      "GCT": {},
      "Ours-NO": new | {"method": "encoder"},
      "Ours": new | {"method": "inversion"},
  }
  return [
      dict(name=name, published=values, source="SG-page", confidence="high",
           setting="labeled only" if runs[name].get("baseline")
           else unlabeled, **runs[name])
      for name, values in numbers.items()]


def semisup_rows(config, methods, numbers):
  """Rows on DeepLabv2 with ImageNet weights.

  Args:
    config: name of the config in configs/semisup.
    methods: name of the row -> (the config's `method`, the record's).
    numbers: rows of (name, values, source, confidence, note); source "memory"
      marks recalled ones.
  """
  return [
      dict(name=name, setting=IMAGENET, published=values, source=source,
           confidence=confidence, note=note,
           status="recalled" if source == "memory" else "seen",
           config=f"configs/semisup/{config}.py", files=RESNET,
           arguments={"method": methods[name][0]}, method=methods[name][1],
           baseline=methods[name][1] == "supervised")
      for name, values, source, confidence, note in numbers]


def joint_model_rows(config, unlabeled, all_labels="all labels", **arguments):
  """SemanticGAN and U-Nets on a data set of our own, from one run each.

  Args:
    config: file of the config in configs/semantic_gan.
    unlabeled, all_labels: the settings, for the table.
    **arguments: of the config.
  """
  return [
      dict(name=name, setting=setting, config=config, arguments=arguments,
           method=method, **others)
      for name, setting, method, others in (
          ("U-Net", "labeled only", "supervised", {"baseline": True}),
          ("SemanticGAN, encoder", unlabeled, "encoder", {}),
          ("SemanticGAN, inversion", unlabeled, "inversion", {}),
          ("U-Net, all labels", all_labels, "fully_supervised",
           {"note": "an upper bound on labels, not a competitor"}))]


def small_baseline_rows(name, unlabeled, methods=(
    "DeepLabv3+", f"DeepLabv3+{BACKBONE}", "Mean Teacher, U-Net")):
  """Baselines without a generator.

  Args:
    name: of the data set's config in configs/semisup.
    unlabeled: the setting of Mean Teacher, for the table.
    methods: names of the rows to return; also "U-Net".
  """
  config = f"configs/semisup/{name}.py"
  return [
      dict(name=row, setting=setting, config=config, method=method,
           arguments=arguments, baseline=True)
      for row, setting, method, arguments in (
          ("U-Net", "labeled only", "supervised", {"method": "supervised"}),
          ("DeepLabv3+", "labeled only", "supervised",
           {"method": "supervised", "network": "deeplabv3plus"}),
          (f"DeepLabv3+{BACKBONE}", "labeled only", "supervised",
           {"method": "supervised", "backbone": "efficientnet_lite0"}),
          ("Mean Teacher, U-Net", unlabeled, "mean_teacher", {}))
      if row in methods]


def backbone_rows(name):
  """U-Net and DeepLabv3+ from random weights and on ImageNet features.

  Args:
    name: of the data set's config in configs/semisup.
  """
  backbone = {"backbone": "efficientnet_lite0"}
  return [
      dict(name=row, config=f"configs/semisup/{name}.py", method="supervised",
           setting="labeled only", overrides=overrides,
           arguments={"method": "supervised", "network": network} | others)
      for row, network, others, overrides in (
          ("U-Net", "unet", {}, {}),
          # The argument alone would do; the field is in the runs' folders.
          (f"U-Net{BACKBONE}", "unet", backbone,
           {"segmenter.network": "unet"}),
          ("DeepLabv3+", "deeplabv3plus", {}, {}),
          (f"DeepLabv3+{BACKBONE}", "deeplabv3plus", backbone, {}))]


def fitted_head_rows(config, unlabeled, backbone="", *, changed="",
                     overrides=(), **arguments):
  """A U-Net, SemanticGAN with fitted labels, the segmenter distilled from it.

  One generator and encoder, trained on images alone, serve all columns and
  seeds.

  Args:
    config: file of the config in configs/semantic_gan.
    unlabeled: the setting, for the table.
    backbone: of pretrained features; the baseline and the distilled segmenter
      are a DeepLabv3+ on them instead of the U-Net.
    changed, overrides: what other fields the segmenters are trained with, in
      words, and {field: value}; rows without a segmenter are left out then.
    **arguments: of the config; `run` names the generator, where it is not a
      run of the table.
  """
  needs = () if "run" in arguments else images_alone(config, **arguments)
  if backbone:
    arguments = arguments | {"backbone": backbone}
  run = dict(
      config=config, arguments=arguments, needs=needs,
      overrides={"stages": ("supervised", "label_head", "distilled"),
                 **dict(overrides)})
  on = BACKBONE if backbone else ""
  end = f", {changed}" if changed else ""
  return [
      dict(name=(f"DeepLabv3+{on}" if backbone else "U-Net") + end,
           setting="labeled only", method="supervised", baseline=True, **run)
  ] + [
      dict(name=f"SemanticGAN, {method}{end}", setting=unlabeled, method=method,
           **run) for method in ("encoder", "inversion") if not changed
  ] + [
      dict(name=f"SemanticGAN, {method}{on}{end}", setting=unlabeled,
           method=method, **run)
      for method in ("distilled", "inversion+distilled")]


def semisup_methods(config, network="DeepLab", **arguments):
  """The rows of our own semi-supervised tables, all from one run each.

  Args:
    config: name of the config in configs/semisup.
    network: the segmenter's name, for the rows.
    **arguments: of the config; with `backbone` the rows say so.
  """
  backbone = BACKBONE if "backbone" in arguments else ""
  methods = ((network, "supervised"), ("AdvSSL", "adv_ssl"),
             ("s4GAN", "s4gan"), (f"{network} + MLMT", "supervised+mlmt"),
             ("s4GAN + MLMT", "s4gan+mlmt"))
  return [
      dict(name=name + backbone, method=method,
           config=f"configs/semisup/{config}.py",
           setting="labeled only" if method == "supervised"
           else "+ unlabeled",
           arguments={"method": "s4gan_mlmt", **arguments},
           baseline=method == "supervised") for name, method in methods]


def images_alone(config, **arguments):
  """`needs` of runs that take generator and encoder of one without labels."""
  return tuple(
      {"stage": stage, "config": config, "field": "labels.run",
       "arguments": {**arguments, "labels": 0, "seed": 0}}
      for stage in ("gan", "encoder"))


def few_shot_rows(config, *, updates, trials, scoring, generator="",
                  **arguments):
  """RepurposeGAN's segmenters, auto-shot, and a U-Net on as many labels.

  All from one run and its study `few_shot`, which inverts images once.

  Args:
    config: its file.
    updates, trials: flags of the command.
    scoring: fields that are changed for it.
    generator: file of the config whose run with labels=0 has the generator; "":
      the config names one.
    **arguments: of both configs.
  """
  run = dict(
      config=config, arguments=arguments,
      overrides={"stages": ("fully_supervised",)}, scoring=scoring,
      needs=images_alone(generator, **arguments) if generator else (),
      evaluate="eval --study=few_shot --shots=1,5 --segmenters=linear,cnn "
               f"--trials={trials} --updates={updates}")
  return [
      dict(name="U-Net", setting="labeled only", method="supervised",
           baseline=True, **run)] + [
      dict(name=name, setting="generator without labels", method=method, **run)
      for name, method in (
          ("RepurposeGAN, linear", "inversion, linear"),
          ("RepurposeGAN, CNN", "inversion, cnn"),
          ("RepurposeGAN, auto-shot", "auto-shot"),
          ("RepurposeGAN, auto-shot in other styles",
           "auto-shot in other styles"))
      if "other" not in name or scoring.get("autoshot.styles")]


def few_shot_notes(updates, trials, scoring):
  """What a reader of these rows has to know."""
  return (
      f"One generator; {trials} trials of the shots and of the U-Net's labels "
      "(auto-shot: one, by the segmenter that is best on validation). "
      f"The first {scoring['evaluation.limit']} images of each split; "
      f"{updates} updates of each segmenter, {scoring['autoshot.steps']} of "
      f"auto-shot, {scoring['supervised.steps']} of the U-Net.",
      "The annotator of the shots is a U-Net on all real labels; the U-Net row "
      "has as many real labels as there are shots. The paper has no such "
      "table.")


def synthesis_rows(config, needs=(), **arguments):
  """Fewshot-SMIS: dense and scribbled layouts, and what they compare with.

  Args:
    config: its file.
    needs: the generator, where the config names none.
    **arguments: of the config.
  """
  run = lambda labeling, **overrides: dict(
      config=config, arguments={"labeling": labeling, **arguments},
      overrides={
          "stages": ("shots", "encoder", "fully_supervised"), **overrides},
      needs=(*needs, {"stage": "fully_supervised", "config": config,
                      "arguments": arguments}),
      evaluate="eval --study=synthesis")
  fitted = "masks, fitted head"
  search = {"synthesis.steps": 100, "synthesis.batch_size": 16}
  return [
      dict(name="synthesis", setting=setting, method="synthesis",
           **run(labeling))
      for labeling, setting in (
          ("dense", "masks"), ("fitted", fitted), ("sparse", "scribbles"))
  ] + [
      dict(name="synthesis, 100 steps of search", setting=fitted,
           method="synthesis", **run("fitted", **search))
  ] + [
      dict(name="sample, its own pseudo label", setting=setting,
           method="sample, its own pseudo label", **run(labeling))
      for labeling, setting in (("dense", "masks"), ("fitted", fitted))
  ] + [
      dict(name=name, setting="reference", method=name, **run("dense"))
      for name in ("random sample", "nearest shot", "real image")]
