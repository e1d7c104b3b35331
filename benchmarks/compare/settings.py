"""What is compared: one case at one size."""

import dataclasses

CASES = ("generator", "gan", "gan_regularised", "gan_projected", "encoder",
         "inversion", "deeplab", "deeplab_gradient", "s4gan", "efficientnet",
         "hypercolumn", "input")
# Side of what the network of a projected discriminator sees.
FEATURE_SIZE = 128
# Who is measured. "best_compiled" is "best" under torch.compile.
SIDES = ("ours", "original", "best", "best_compiled")


class Unavailable(RuntimeError):
  """The case cannot be run here; the message says why in one line."""


@dataclasses.dataclass(frozen=True)
class Settings:
  """One measurement; the defaults are the published networks.

  Attributes:
    case: one of `CASES`.
    size: side of the images.
    batch: images of each stream.
    width: widest layer; the others keep the published proportions.
    classes: of the labels.
    dtype: of semseg_jax and of "best"; "original" is float32.
    steps: of an inversion.
    perceptual: "lpips" or "dr", of encoder and inversion.
    vgg: scales the widths of LPIPS' network.
    images: in the folder that the case "input" reads.
    cpu_time: counts processor seconds, which other work disturbs less, instead
      of the clock's; for one core, as threads that wait are counted as well.
  """
  case: str
  size: int = 64
  batch: int = 4
  width: int = 512
  classes: int = 8
  dtype: str = "float32"
  steps: int = 10
  perceptual: str = "lpips"
  vgg: float = 1.0
  images: int = 256
  cpu_time: bool = False

  @property
  def share(self) -> float:
    return self.width / 512

  @property
  def narrow(self) -> int:
    """Width of what has 64 channels in the published networks."""
    return max(4, int(64 * self.share))

  @property
  def labels(self) -> int:
    """Channels of the label branch."""
    return 1 if self.classes == 2 else self.classes

  @property
  def head_convs(self) -> tuple[int, int, int]:
    """Strided convolutions of the encoder's heads: down to one cell."""
    side = lambda stride: max(1, -(-self.size // stride))
    return tuple(max(1, (side(s) - 1).bit_length()) for s in (16, 8, 4))

  def work(self) -> int:
    """Images (times steps, in an inversion) of one run."""
    if self.case == "input":
      return self.images // self.batch * self.batch
    return self.batch * (self.steps if self.case == "inversion" else 1)
