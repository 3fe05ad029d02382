"""Features and JSON Schema: converted into one another, and compared."""
