"""Images computed from random numbers, for the rendered data sets."""
