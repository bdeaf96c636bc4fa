"""Parity, speed and precision of the default device; `python -m benchmarks.accelerator` runs all parts."""
