"""The brokers of an MSK cluster, by its ARN: what GetBootstrapBrokers knows for a way to log in and a network."""

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from jobs import auth, flags
from jobs.refusals import of_aws
from jobs.settings import Refused, Settings


def servers(settings: Settings) -> str:
    """HOST:PORT,… for the ARN in `--bootstrap-servers`; raises `Refused` with what the cluster does offer."""
    network = settings.network or "private"
    answer = asked(settings)
    key = _key(auth.AUTH[settings.auth], network)
    if found := answer.get(key):
        return found
    offers = {(name, other): _key(row, other) for name, row in auth.AUTH.items() for other in auth.NETWORKS}
    offered = [f"--auth {name} --network {other}" for (name, other), key in offers.items() if answer.get(key)]
    raise Refused(
        "--auth, --network",
        f"{settings.bootstrap_servers} has no brokers for {settings.auth} on its {network} network; "
        f"it has: {', '.join(offered) or 'none yet'}",
    )


def _key(row: auth.Auth, network: str) -> str:
    return f"BootstrapBrokerString{auth.NETWORKS[network]}{row.brokers}"


def asked(settings: Settings) -> dict[str, str]:
    """MSK's answer, asked as `--role-arn` when there is one."""
    cluster = settings.bootstrap_servers
    flag, subject, need = "--role-arn", settings.role_arn, "its trust policy must let this job in"
    try:
        role = assumed(settings) if settings.role_arn else {}
        flag, subject, need = "--bootstrap-servers", cluster, "give kafka:GetBootstrapBrokers, or HOST:PORT,… instead"
        session = boto3.Session(region_name=flags.CLUSTER.fullmatch(cluster)["region"], **role)
        return session.client("kafka").get_bootstrap_brokers(ClusterArn=cluster)
    except (BotoCoreError, ClientError) as error:
        raise of_aws(flag, error, subject, f" ({need})") from None


def assumed(settings: Settings) -> dict[str, str]:
    """The credentials of `--role-arn`, for a boto3 session."""
    client = boto3.client("sts", region_name=settings.sts_region)
    external = {"ExternalId": settings.role_external_id} if settings.role_external_id else {}
    role = client.assume_role(RoleArn=settings.role_arn, RoleSessionName=auth.SESSION, **external)["Credentials"]
    names = {"AccessKeyId": "access_key_id", "SecretAccessKey": "secret_access_key", "SessionToken": "session_token"}
    return {f"aws_{name}": role[key] for key, name in names.items()}
