"""An ASGI middleware that judges requests and answers of any OpenAI-compatible server."""
