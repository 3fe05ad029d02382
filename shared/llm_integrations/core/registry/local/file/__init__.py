"""A registry in a folder that people keep in git and edit by hand."""
