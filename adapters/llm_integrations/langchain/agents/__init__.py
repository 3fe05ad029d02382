"""What agents say to and hear from their models and tools, as messages and as data."""
