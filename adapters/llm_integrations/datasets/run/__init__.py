"""One run over a data set: sources and their blocks, judging, files on disk, processes."""
