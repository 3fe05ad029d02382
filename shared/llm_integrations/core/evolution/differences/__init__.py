"""Changes between two schemas, found by walking them side by side, and whom each breaks."""
