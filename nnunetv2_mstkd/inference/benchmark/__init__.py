"""Runs a benchmark: cases are read once, every model predicts every subset, scores go to the records (L3)."""
