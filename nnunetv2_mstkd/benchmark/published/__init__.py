"""What the MST-KDNet paper printed of itself and six other methods, as data; README.md beside it says more (L2)."""
