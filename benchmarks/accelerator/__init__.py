"""What the default device computes, how fast, and how precisely; `python -m benchmarks.accelerator` runs all parts."""
