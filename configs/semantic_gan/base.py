"""SemanticGAN as published (256 px); data sets' configs start from it.

Values are the official code's defaults unless a comment says otherwise.
"""

import ml_collections

from configs import common


def get_config():
  """The published settings; `data` is left to the data set's config."""
  c = ml_collections.ConfigDict()
  c.method = "semantic_gan"
  c.stages = ("supervised", "fully_supervised", "gan", "encoder")
  c.seed = 0
  c.dtype = "float32"  # compute dtype: float32 or bfloat16; parameters float32
  c.matmul_precision = "default"  # jax_default_matmul_precision
  c.sharding = "replicated"  # or "fsdp": states split over the devices
  c.num_microbatches = 1  # parts of a batch, whose gradients are averaged
  c.remat = False  # compute blocks' activations again instead of keeping them
  c.faults = common.faults()
  # Reproduce where the official code differs from the paper
  # (docs/semantic_gan.md).
  c.match_official = False

  c.data = common.data(c.get_ref("seed") + 0)
  c.data.num_labeled = 30  # labeled images; -1 all, 0 none (plain StyleGAN2)
  c.data.augment.update(flip_unlabeled=0.5, flip_labeled=0.5, affine=0.5)
  c.data.geometry = common.geometry()

  c.pretrained = common.pretrained()

  c.generator = ml_collections.ConfigDict(dict(
      style_dim=512, mlp_layers=8, channel_multiplier=2.0, max_channels=512,
      # (size, width) pairs that override the table of widths
      channels_per_resolution=()))
  c.image_discriminator = ml_collections.ConfigDict(dict(
      kind="stylegan2",  # or "projected", on a pretrained network's features
      channel_multiplier=2.0, max_channels=512, channels_per_resolution=(),
      # Of "projected": the network, the size that images are resized to for it,
      # widths of the mixed maps (fine to coarse) and of the heads, and whether
      # one more head sees the image itself (ours).
      backbone="efficientnet_lite0", feature_size=256,
      projection_widths=(48, 48, 64, 64), projection_seed=0, head_width=64,
      minibatch_stddev=False, pixels=False))
  c.patch_discriminator = ml_collections.ConfigDict(dict(
      kind="patch",  # or "projected", on the same features as Dr's
      width=64, num_layers=3, num_scales=3))

  c.gan = ml_collections.ConfigDict(dict(
      steps=800_000, batch_size=16, learning_rate=0.002, style_mixing_prob=0.9,
      r1_gamma=10.0, r1_every=16, path_length_weight=2.0, path_every=4,
      path_batch_shrink=2, feature_matching_weight=2.0,
      ema_decay=0.5 ** (32 / 10_000),
      # Differentiable augmentation, for small data sets, of what Dr sees and of
      # the pairs that Dm sees; () = off as in the paper. target > 0 adapts the
      # strength (ADA) to Dr's mean sign.
      augment=dict(policy=(), pair_policy=(), strength=1.0, target=0.0,
                   images=500_000.0, maximum=0.8),
      # Ours: G is trained to reconstruct real images, too, with an encoder
      # beside it, so that it drops none. perceptual_weight 0: off.
      reconstruction=dict(perceptual_weight=0.0, mse_weight=1.0, every=1,
                          spread_weight=1.0, learning_rate=1e-3)))

  for network in ("image_discriminator", "patch_discriminator"):
    c.gan[f"{network}_learning_rate"] = c.gan.get_oneway_ref("learning_rate")

  c.perceptual = ml_collections.ConfigDict(dict(
      # lpips_vgg, efficientnet or discriminator (the run's own Dr); "" = the
      # first if `weights` names a file, else the last.
      kind="",
      weights="",  # converted LPIPS-VGG file
      # Of "efficientnet": the network, and the size that images are resized to
      # for it; 0 = their own.
      backbone="efficientnet_lite0", feature_size=0))

  c.encoder = ml_collections.ConfigDict(dict(
      kind="fpn", stem_width=64, blocks=(3, 4, 6, 3), fpn_channels=512,
      head_channels=512,
      head_convs=(4, 5, 6),  # () derives the depth from the map's size
      steps=800_000, batch_size=16, unlabeled_batch_size=16,
      optimizer="ranger", learning_rate=1e-3, final_learning_rate=1e-5,
      decay_start=30_000, decay_end=100_000,
      unlabeled_clip=2.0, labeled_clip=5.0,
      unlabeled_mse_weight=1.0, unlabeled_perceptual_weight=10.0,
      labeled_mse_weight=1.0, labeled_perceptual_weight=10.0,
      cross_entropy_weight=1.0, dice_weight=1.0,
      # Ours, off as in the paper: start at the mean latent; weight of the mean
      # squared error to the latents of generated images.
      mean_start=False, latent_weight=0.0))

  # The baseline that every table compares with; ours, not the paper's.
  c.supervised = ml_collections.ConfigDict(dict(
      steps=20_000, batch_size=16, learning_rate=1e-3, weight_decay=1e-4,
      dice_weight=1.0, width=64, levels=4,
      optimizer="adamw", momentum=0.9, head_factor=10.0,  # these two: of "sgd"
      synthetic="",  # folder of synthetic pairs to train on besides
      # Beside the paired augmentation of `data`: largest relative changes.
      color=dict(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.05)))

  c.segmenter = common.segmenter()

  # Where the generator's labels come from: "branch", trained with it, as in the
  # paper; "fitted" (ours, after EditGAN): the generator sees images alone, and
  # the stage `label_head` fits a small segmenter of its features (blocks
  # `hypercolumn` and `few_shot`) to the inverted labeled images.
  c.labels = ml_collections.ConfigDict(dict(
      head="branch",
      heads=1,  # as many segmenters, averaged (DatasetGAN: 10)
      # Of "fitted": folder of another run with `gan` and `encoder`, trained
      # with data.num_labeled=0; it serves any number of labels. "": this run.
      run=""))
  c.hypercolumn = dict(size=0, first=4, layers=(), resize="")
  c.few_shot = dict(
      kind="head", steps=600,  # updates of one image each
      epochs=0, learning_rate=1e-3, weight_decay=1e-4,
      decay=1.0, decay_epochs=1,  # updates here, not epochs
      rate_factors=dict(linear=1.0),
      feature_noise=0.1)  # share of a map's standard deviation

  # Stage `distilled`: the network and schedule of `supervised`, trained on
  # samples, too.
  c.distilled = ml_collections.ConfigDict(dict(
      num_samples=10_000, keep=0.8, min_probability=0.6, truncation=1.0,
      # Colors and textures of other samples, up to this many times as far from
      # the mean; 0: each sample's own.
      styles=0.0,
      agreement=False,  # only pixels that "supervised" labels the same
      steps=c.supervised.get_ref("steps")))

  c.inversion = ml_collections.ConfigDict(dict(
      steps=200,  # the README's example; the code's default is 100
      learning_rate=0.1, space="w+", start="encoder",
      optimize_noise=True, perceptual_weight=1.0, mse_weight=0.1,
      noise_weight=100.0, consistency_weight=1e-3, start_distance_weight=0.0,
      mean_distance_weight=0.01, loss_size=256, batch_size=16,
      segment=0,  # steps per compiled call; 0 = by platform
      snapshots=(50, 100, 200)))  # steps that are scored besides the encoder

  c.evaluation = ml_collections.ConfigDict(dict(
      num_visualized=32,  # whose overlays and reconstructions are written
      limit=0,  # images per split; 0 = all
      batch_size=c.inversion.get_ref("batch_size"),
      joint_samples=1000,  # of the generator, for the joint model's score
      # Exponent of inversion's probabilities in the row inversion+distilled,
      # where the distilled segmenter's have 1.
      inversion_weight=0.5))

  c.monitor = ml_collections.ConfigDict(dict(
      samples=10_000,  # FID/KID/IS, or our feature distances; 0 = off
      inception="",  # converted Inception file
      # Pretrained network whose features are compared besides, such as
      # efficientnet_lite0, and the size that images are resized to for it.
      network="", feature_size=128))

  c.log = ml_collections.ConfigDict(dict(
      log_every=100, sample_every=2_000,
      eval_every=2_000,  # the official code's encoder: every 100
      checkpoint_every=2_000))
  return c


def use_generator(c, run):
  """Another run's generator (and encoder) instead of the stages that train it.

  Args:
    c: the config, changed in place.
    run: folder, exported file or shipped name of a run with labels=0.
  """
  c.labels.run = run
  c.stages = tuple(s for s in c.stages if s != "gan")
  return c


def fit_labels(c, run=""):
  """Labels by a fitted head, and the segmenter distilled from its samples.

  Args:
    c: the config, changed in place.
    run: folder of a run with labels=0, whose generator and encoder are used;
      "": this run trains its own.

  Raises:
    ValueError: `run` for a config of images alone, which trains its own.
  """
  if run and not c.data.num_labeled:
    raise ValueError(
        f"config argument run={run!r}: with labels=0 a generator and encoder "
        "are trained, and none is taken over; leave one of the two out")
  c.labels.update(head="fitted", run=run)
  images = () if run else ("gan", "encoder")
  c.stages = ("supervised", "fully_supervised", *images, "label_head",
              "distilled")
