"""What evolution takes and gives: sources, changes, levels, limits, reports."""
