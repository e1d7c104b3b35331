"""semseg_jax and the PyTorch peers, measured side by side: see `__main__`."""
