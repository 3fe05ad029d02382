"""What the client keeps: how fresh it is, who waits for it, and what was compiled from it."""
