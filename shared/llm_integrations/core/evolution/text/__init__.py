"""Changes in words, and tables for a terminal and a notebook."""
