"""A registry's folder that lies elsewhere (``s3://`` and what else fsspec reads), to be read."""
