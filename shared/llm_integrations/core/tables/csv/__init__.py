"""CSV of any size: dialects, bytes that are no UTF-8, cells as the schema calls them."""
