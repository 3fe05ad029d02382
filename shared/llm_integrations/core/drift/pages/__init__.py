"""A drift report as people read it: a page, Markdown, a table for terminals, plots."""
