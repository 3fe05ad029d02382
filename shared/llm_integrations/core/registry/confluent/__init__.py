"""The API of Confluent Schema Registry, Karapace, Redpanda and Apicurio."""
