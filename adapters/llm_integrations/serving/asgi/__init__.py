"""What passes through: bodies, replies, streams, and the middleware's own routes."""
