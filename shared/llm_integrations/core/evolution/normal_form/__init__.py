"""Schemas of any draft rewritten into one form."""
