"""Label-efficient semantic segmentation with generative models, in JAX."""
