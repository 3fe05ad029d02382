"""Apicurio Registry's own API, version 3."""
