"""The PyTorch peers; skipped where PyTorch is not installed."""

import pytest

torch = pytest.importorskip("torch")

from benchmarks.peers import efficientnet  # noqa: E402
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


def test_same_padding_is_that_of_a_map_split_at_its_far_edge():
  conv = efficientnet.SameConv2d(1, 1, 3, 2)
  torch.nn.init.ones_(conv.weight)
  x = torch.ones(1, 1, 4, 5)
  # Rows 0-2 and 2-3 (one of zeros below); columns with one of zeros each side.
  torch.testing.assert_close(conv(x)[0, 0], torch.tensor(
      [[6.0, 9.0, 6.0], [4.0, 6.0, 4.0]]))
