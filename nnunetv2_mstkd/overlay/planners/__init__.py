"""Serves the planners of nnunetv2_mstkd to nnU-Net."""
