"""The PyTorch peers; skipped where PyTorch is not installed."""

import pytest

torch = pytest.importorskip("torch")

from benchmarks.peers import check  # noqa: E402
from benchmarks.peers import layers  # noqa: E402


@pytest.mark.parametrize("up", [True, False])
def test_both_forms_of_modulation_agree(up):
  torch.manual_seed(0)
  nets = {form: layers.ModulatedConv2d(3, 5, 3, 4, up=up, form=form)
          for form in layers.FORMS}
  nets["best"].load_state_dict(nets["original"].state_dict())
  x, latent = torch.randn(2, 3, 6, 6), torch.randn(2, 4)
  original, best = (nets[f](x, latent) for f in layers.FORMS)
  torch.testing.assert_close(original, best, rtol=1e-4, atol=1e-5)


def test_resampling_agrees_with_its_definition():
  x = torch.randn(2, 3, 8, 6)
  torch.testing.assert_close(layers.double(x), layers.upfirdn2d(
      x, layers.taps(4.0), up=2, pad=(2, 1)))
  for pad in ((1, 1), (2, 2), (2, 1)):
    torch.testing.assert_close(
        layers.depthwise(x, layers.taps(), pad=pad),
        layers.upfirdn2d(x, layers.taps(), pad=pad))


def test_peers_without_golden_cases_fail(tmp_path):
  assert check.main([f"--golden-dir={tmp_path}"]) == 1


@pytest.mark.slow
def test_peers_agree_with_golden_cases():
  assert check.main(["--only=dm"]) == 0
