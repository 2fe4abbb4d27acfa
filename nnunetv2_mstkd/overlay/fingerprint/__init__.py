"""Serves the fingerprint extractor of nnunetv2_mstkd to nnU-Net."""
