"""Predicting with missing modalities inside nnU-Net (L3)."""
