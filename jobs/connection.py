"""How Kafka's clients reach the cluster: the properties that the reader, the executors and the admin client share."""

from jobs.settings import Settings


def connected(settings: Settings) -> dict[str, str]:
    """The Kafka client's properties (bare names, `bootstrap.servers` among them); `--kafka-option` wins."""
    given = {name.removeprefix("kafka."): value for name, value in settings.kafka_options if name.startswith("kafka.")}
    return {"bootstrap.servers": settings.bootstrap_servers, **given}
