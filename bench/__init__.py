"""Measurements: `python -m bench` lists them. Not tests: nothing here asserts a time."""
