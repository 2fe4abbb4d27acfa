"""What is wrong with an nnU-Net dataset that is there: labels, channels, splits, files (L1')."""
