"""TFDS builders that bring file-based data sets into one stored form."""
