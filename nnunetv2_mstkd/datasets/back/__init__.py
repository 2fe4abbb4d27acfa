"""From predictions to a challenge's own labels and file names, and to BIDS derivatives (L1')."""
