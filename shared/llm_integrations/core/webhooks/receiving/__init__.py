"""The receiving end: verified, written down, then handled."""
