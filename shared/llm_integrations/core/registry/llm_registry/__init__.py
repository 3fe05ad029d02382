"""The API of LLM Schema Registry."""
