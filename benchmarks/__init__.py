"""Ours against the peers and the bound, in one run, as ratios: ``python -m benchmarks NAME``."""
