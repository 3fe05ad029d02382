"""Everything that a registry holds: page by page, and what is left out of it."""
