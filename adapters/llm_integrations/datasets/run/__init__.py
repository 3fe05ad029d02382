"""One run over a data set: blocks, lines, parts on disk."""
