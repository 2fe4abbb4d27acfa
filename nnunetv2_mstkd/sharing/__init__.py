"""Models as archives for others: export and import, in the layout of nnU-Net's own (L3)."""
