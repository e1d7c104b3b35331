"""Ranger: rectified Adam, centralised gradients, lookahead."""

import math

import torch


class Ranger(torch.optim.Optimizer):
  """Steps on lists of tensors at once (`torch._foreach_*`)."""

  def __init__(self, params, lr, betas=(0.95, 0.999), eps=1e-5, every=6,
               rate=0.5):
    super().__init__(params, dict(
        lr=lr, betas=betas, eps=eps, every=every, rate=rate))

  @torch.no_grad()
  def step(self):
    for group in self.param_groups:
      params = [p for p in group["params"] if p.grad is not None]
      for p in params:
        if not self.state[p]:
          self.state[p] = dict(
              m=torch.zeros_like(p), v=torch.zeros_like(p), slow=p.clone())
      m, v, slow = ([self.state[p][k] for p in params]
                    for k in ("m", "v", "slow"))
      grads = [_centralised(p.grad) for p in params]
      t = group["t"] = group.get("t", 0) + 1
      (b1, b2), lr = group["betas"], group["lr"]
      torch._foreach_lerp_(m, grads, 1 - b1)
      torch._foreach_mul_(v, b2)
      torch._foreach_addcmul_(v, grads, grads, 1 - b2)
      limit = 2 / (1 - b2) - 1
      length = limit - 2 * t * b2 ** t / (1 - b2 ** t)
      size = lr / (1 - b1 ** t)
      if length > 5:
        size *= math.sqrt(
            (1 - b2 ** t) * (length - 4) / (limit - 4) * (length - 2) / length
            * limit / (limit - 2))
        root = torch._foreach_sqrt(v)
        torch._foreach_add_(root, group["eps"])
        torch._foreach_addcdiv_(params, m, root, -size)
      else:
        torch._foreach_add_(params, m, alpha=-size)
      if t % group["every"] == 0:
        torch._foreach_lerp_(slow, params, group["rate"])
        torch._foreach_copy_(params, slow)


def _centralised(gradient):
  if gradient.ndim < 2:
    return gradient
  axes = tuple(range(1, gradient.ndim))
  return gradient - gradient.mean(axes, keepdim=True)
