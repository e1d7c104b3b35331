"""What a run will need, by compiling it for machines that are not here.

`programs` lists what a config compiles, `chips` the accelerators' published
figures, `estimate` turns a compiled program into memory, time and scaling, and
`kept` stores its results.
"""
