"""How Kafka's clients reach the cluster: the properties that the reader, the executors and the admin client share."""

from jobs import auth, clusters
from jobs.credentials import credentials, stores
from jobs.settings import Settings


def connected(settings: Settings) -> dict[str, str]:
    """The Kafka client's properties (bare names, `bootstrap.servers` among them); `--kafka-option` wins.

    The cluster's ARN, the secret and the stores are looked up now, in the driver. Raises `Refused`.
    """
    found, outright = credentials(settings)
    servers = settings.bootstrap_servers
    given = {name.removeprefix("kafka."): value for name, value in settings.kafka_options if name.startswith("kafka.")}
    return {
        "bootstrap.servers": clusters.servers(settings) if servers.startswith("arn:") else servers,
        **auth.properties(settings, found),
        **stores(settings, found),
        **outright,
        **given,
    }
