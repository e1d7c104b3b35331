"""Annotations as common tools save them, drawn as masks of class indices.

A format is a module with `FILES`, which says how it is recognized, and
`read(root) -> contents.Annotations`. Nothing is drawn before it is asked
for. `layout.find` tells which one a folder has.
"""
