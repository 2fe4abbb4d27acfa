"""The report of a benchmark: one page that opens from disk, and the files beside it (L2)."""
