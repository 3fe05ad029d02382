"""What passes through a chain, as the data that a schema judges."""
