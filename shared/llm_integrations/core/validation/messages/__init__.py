"""What is wrong, in words that hold no data."""
