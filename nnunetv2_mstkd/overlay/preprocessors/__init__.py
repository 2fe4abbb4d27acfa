"""Serves the preprocessor of nnunetv2_mstkd to nnU-Net."""
