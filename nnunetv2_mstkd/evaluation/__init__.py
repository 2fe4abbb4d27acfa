"""How good a segmentation is, and how sure one may be of it (L1': numpy and scipy; no torch, no nnU-Net).

A pair of masks is reduced to `MaskFacts`; every metric is computed from these, under a named policy for empty masks. So
records keep what was measured, and a policy can be changed without predicting again.
"""
