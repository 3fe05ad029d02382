"""Features and JSON Schema: one from the other, and one held against the other."""
