"""Every subset of the modalities, scored, compared and shown (L2: no torch, no nnU-Net)."""
