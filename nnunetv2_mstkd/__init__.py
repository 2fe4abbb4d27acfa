"""MST-KD for nnU-Net v2: train and predict with missing modalities.

Importing the package loads the standard library only; torch and nnU-Net come with the subpackages that need them.
"""

__version__ = "0.1.0"
