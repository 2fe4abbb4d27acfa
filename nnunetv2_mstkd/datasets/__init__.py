"""Datasets: simulated ones, and (in time) converters of real ones (L1': numpy, scipy, SimpleITK; no torch)."""
