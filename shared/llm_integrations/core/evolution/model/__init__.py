"""What all rooms speak of: sources, kinds of changes, levels, limits, answers."""
