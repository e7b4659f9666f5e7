"""What tests and the demo share: a real broker, sample events."""
