"""Migration guides: rows, examples, and a draft of the code."""
