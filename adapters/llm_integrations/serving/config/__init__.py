"""The middleware's YAML file.

Its JSON Schema ships beside this package (``config.schema.json``), for editors and for CI.
"""
