"""What a machine does with this project, in one command: see `__main__`."""
