"""How teacher and student are trained together (L2: torch, no nnU-Net)."""
