"""Nodes: each judges the elements of a column by one keyword, in Arrow or numpy."""
