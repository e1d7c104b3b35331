"""Data sets, one module each; the file name is the data set's name."""
