"""What carries events: memory, Kafka, RabbitMQ."""
