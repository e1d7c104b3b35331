r"""Compares the peers, in both forms, with the golden vectors.

  python -m benchmarks.peers.check --golden-dir=tests/golden/data --only=gen

Each case prints its largest error over that of its tolerance; above 1 it
fails. Cases without a peer (losses alone, optimisers, ...) are listed.
"""

import argparse
import sys

from benchmarks.peers import check_loops
from benchmarks.peers import check_networks
from benchmarks.peers import golden
from benchmarks.peers import layers

CHECKS = {
    "gen": check_networks.generator,
    "dr": check_networks.discriminator,
    "resenc": check_networks.discriminator,
    "dm": check_networks.patches,
    "fpnenc": check_networks.fpn,
    "lpips_vgg": check_networks.lpips,
    "train_steps": check_loops.gan_steps,
    "enc_train_steps": check_loops.encoder_steps,
    "invert": check_loops.invert,
    "deeplabv2": check_networks.deeplabv2,
    "s4gan_discriminator": check_networks.s4gan_discriminator,
    "s4gan_three_iterations": check_loops.s4gan_steps,
    "repurpose_official_cnn": check_networks.few_shot_cnn}


def main(argv=None) -> int:
  """Exit status: 0 if all cases with a peer agree and there are some."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--golden-dir", default=golden.ROOT / "tests/golden/data")
  parser.add_argument("--only", default="", help="start of the cases' names")
  args = parser.parse_args(argv)
  ran = failed = 0
  others = []
  for folder in golden.cases.find(args.golden_dir):
    check = next((f for k, f in CHECKS.items()
                  if folder.name.startswith(k)), None)
    if not check:
      others.append(folder.name)
    if not check or not folder.name.startswith(args.only):
      continue
    for form in layers.FORMS:
      try:
        errors = check(golden.cases.load(folder), form).ratios
      except NotImplementedError as error:
        print(f"{folder.name:34s} {form:9s} no peer: {error}")
        continue
      worst = max(errors, key=errors.get)
      bad = not errors[worst] <= 1
      ran, failed = ran + 1, failed + bad
      print(f"{folder.name:34s} {form:9s} {'FAIL' if bad else 'ok  '} "
            f"{len(errors):3d} outputs, worst {errors[worst]:.2g} of its "
            f"tolerance ({worst})", flush=True)
  print(f"{ran} runs, {failed} failed; without a peer: {', '.join(others)}")
  return int(failed > 0 or not ran)


if __name__ == "__main__":
  sys.exit(main())
