"""From a dataset as it lies in its layout to an nnU-Net raw dataset: check everything, only then write (L1')."""
