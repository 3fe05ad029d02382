"""Circuit breaker, retry and backoff."""
