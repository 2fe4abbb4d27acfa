"""Serves the planners and the fingerprint extractor of nnunetv2_mstkd to nnU-Net."""
