"""What exists for CPUs alone; nothing of it runs on GPU or TPU.

`startup.setup` does what must be done before JAX starts. `target` says which
platform is compiled for, and puts the functions of the other modules in the
place of those of `ops` where that is a CPU.
"""
