"""Which files belong to which case, and whether they can be used (L1': no torch, no nnU-Net)."""
