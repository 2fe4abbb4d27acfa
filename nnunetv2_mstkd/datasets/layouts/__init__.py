"""The layouts in which datasets come, as rows of data: names of files, labels, grouping (L1')."""
