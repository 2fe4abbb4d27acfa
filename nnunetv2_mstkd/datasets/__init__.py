"""Datasets: simulated ones, and converters of real ones (L1': numpy, scipy, SimpleITK; no torch)."""
