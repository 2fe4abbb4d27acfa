"""What runs a network on a CPU, behind one interface (L3)."""
