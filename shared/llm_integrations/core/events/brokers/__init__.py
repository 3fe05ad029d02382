"""The buses that carry events: memory, Kafka, RabbitMQ."""
