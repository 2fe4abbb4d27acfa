"""Serves the trainers of nnunetv2_mstkd to nnU-Net. An editable install names this folder in nnUNet_extTrainer."""
