"""Which requests are judged, by which schemas."""
