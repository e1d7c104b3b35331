"""The systems in plain PyTorch, to be measured against.

Written from the papers and from recorded inputs and outputs; entries of state
dicts are named as in the official code. `form` is how a network computes:
"original", as the official code does without its CUDA kernels (a kernel per
sample in grouped convolutions, native up- and down-sampling), or "best", what a
PyTorch user can reach (inputs and outputs scaled around one shared
convolution, depthwise filters). Both are checked against semseg_jax, which the
golden vectors check, before anything is timed (`compare/agreement.py`).
"""
