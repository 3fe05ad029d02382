"""Streams, and replies that are compressed: judged while they pass, or before they do."""
