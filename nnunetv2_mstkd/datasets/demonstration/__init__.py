"""Simulated patients with brain tumours: an nnU-Net raw dataset that needs no patient's data.

Read in this order: `cohort` (which patients), `cohort_dataset` (what is written), `patient` (one scan, from anatomy to
image), and the steps of a scan: `template`, `anatomy`, `tumour`, `tumour_fractions`, `contrasts`, `scanner`.
"""
