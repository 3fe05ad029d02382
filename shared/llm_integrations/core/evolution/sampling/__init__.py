"""Instances of a schema, made on purpose: small, full, or just outside another schema."""
