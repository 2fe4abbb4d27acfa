"""The command `mstkd` (L4): argparse at import, the work is done below."""
