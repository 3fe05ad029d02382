"""AWS Glue Schema Registry: its JSON API, signed as AWS wants it."""
