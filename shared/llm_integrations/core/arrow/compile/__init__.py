"""From a JSON Schema and an Arrow type to the nodes that judge a column."""
