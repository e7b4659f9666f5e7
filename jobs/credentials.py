"""What proves who the job is, read in the driver: a secret, the environment, key and trust stores.

Nothing of it is ever a flag: a command line is seen by everyone on the machine.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from jobs import auth, flags
from jobs.refusals import of_aws
from jobs.settings import Refused, Settings

PROPERTY = re.compile(r"FLOODMARK_((?:SASL|SSL)_\w+)")  # a client's property, with underscores for its dots


def credentials(settings: Settings, environment: Mapping[str, str] = os.environ) -> tuple[dict, dict]:
    """What the chosen way to log in takes, and properties given outright; the secret's values win.

    Raises `Refused` that names the flag and the variable when something is missing.
    """
    row, secret = auth.chosen(settings), read(settings) if settings.secret else {}
    given = {found[1].lower().replace("_", "."): environment[name] for name in environment if (found := named(name))}
    properties = given | {name: value for name, value in secret.items() if "." in name}
    found = {name: environment[flags.variable(name)] for name in (*row.needs, *row.takes) if has(environment, name)}
    found |= {name: secret[name] for name in (*row.needs, *row.takes) if secret.get(name)}
    if missing := [name for name in row.needs if name not in found and "sasl.jaas.config" not in properties]:
        raise wanting(settings, missing)
    return found, properties


def named(variable: str) -> re.Match | None:
    return PROPERTY.fullmatch(variable)


def has(environment: Mapping[str, str], name: str) -> bool:
    return bool(environment.get(flags.variable(name)))


def wanting(settings: Settings, missing: list[str], by: str = "") -> Refused:
    where = f"put it into --secret as {' and '.join(missing)}"
    if settings.secret:
        where = f"{settings.secret} has no {' and no '.join(missing)}; put it there"
    variables = " and ".join(map(flags.variable, missing))
    return Refused("--secret", f"{by or f'--auth {settings.auth}'} needs more: {where}, or into {variables}")


def read(settings: Settings) -> dict[str, str]:
    """The values of a secret of Secrets Manager: a JSON object, as MSK wants it."""
    name = settings.secret
    try:
        client = boto3.client("secretsmanager", region_name=region(settings))
        text = client.get_secret_value(SecretId=name).get("SecretString")
    except (BotoCoreError, ClientError) as error:
        raise of_aws("--secret", error, f"{name} can't be read", "") from None
    try:
        values = json.loads(text or "")
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise Refused("--secret", f'{name} is not a JSON object like {{"username": "…", "password": "…"}}')
    wanted = {*auth.chosen(settings).needs, *auth.chosen(settings).takes}
    if wrong := [key for key in values if key in wanted and not isinstance(values[key], str)]:
        raise Refused("--secret", f"{name}: {' and '.join(wrong)} must be text, in quotes")
    return {key: value for key, value in values.items() if isinstance(value, str)}


def region(settings: Settings) -> str | None:
    """Where the secret is: its ARN says so, else the environment, else it is beside the cluster."""
    secret = re.match(r"arn:aws[a-z-]*:secretsmanager:([a-z0-9-]+):", settings.secret)
    cluster = flags.CLUSTER.fullmatch(settings.bootstrap_servers)
    own = boto3.Session().region_name or os.environ.get("AWS_REGION")
    return secret[1] if secret else own or (cluster and cluster["region"])


def stores(settings: Settings, found: Mapping[str, str]) -> dict[str, str]:
    """The client's properties for `--keystore` and `--truststore`.

    PEM is handed on as text, so that executors need no file; any other store is a file of the same path everywhere.
    """
    properties = {}
    for field, kind in (("keystore", "ssl.keystore"), ("truststore", "ssl.truststore")):
        if path := getattr(settings, field):
            type = flags.STORES[Path(path).suffix.lower()]
            reader = {"PEM": pem}.get(type, located)
            properties |= {f"{kind}.type": type, **reader(settings, kind, Path(path), found)}
    return properties


def located(settings: Settings, kind: str, path: Path, found: Mapping[str, str]) -> dict[str, str]:
    """A store that each process opens itself: `--files` puts one of a bare name into every working directory."""
    contents(kind, path)
    password = f"{kind.removeprefix('ssl.')}_password"
    if kind == "ssl.keystore" and password not in found:
        raise wanting(settings, [password], f"--keystore {path}")
    given = {f"{kind}.password": found[password]} if password in found else {}
    if kind == "ssl.keystore" and path.suffix.lower() == ".jks" and "key_password" in found:
        given["ssl.key.password"] = found["key_password"]  # in a .p12 the key has the store's
    location = str(path) if path.name == str(path) else str(path.expanduser().absolute())
    return {f"{kind}.location": location, **given}


def pem(settings: Settings, kind: str, path: Path, found: Mapping[str, str]) -> dict[str, str]:
    """A store as text: Kafka takes the key and the certificates themselves in place of a file."""
    blocks = re.findall(r"(-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \2-----)", contents(kind, path), re.DOTALL)
    chain = "\n".join(block for block, label in blocks if label == "CERTIFICATE")
    keys = {label: block for block, label in blocks if label.endswith("PRIVATE KEY")}
    flag = f"--{kind.removeprefix('ssl.')}"
    if not chain:
        raise Refused(flag, f"{path} holds no certificate")
    if kind == "ssl.truststore":
        return {"ssl.truststore.certificates": chain}
    (label, key), *others = [*keys.items()] or [("", "")]
    if others or label not in ("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"):
        how = f"openssl pkcs8 -topk8 -nocrypt -in {path}"
        raise Refused(flag, f"{path} needs one key in PKCS#8, BEGIN PRIVATE KEY, beside the certificates: {how}")
    if label == "ENCRYPTED PRIVATE KEY" and "key_password" not in found:
        raise wanting(settings, ["key_password"], f"--keystore {path}")
    opened = {"ssl.key.password": found["key_password"]} if label == "ENCRYPTED PRIVATE KEY" else {}
    return {"ssl.keystore.key": key, "ssl.keystore.certificate.chain": chain, **opened}


def contents(kind: str, path: Path) -> str:
    try:
        return path.expanduser().read_bytes().decode(errors="replace")
    except OSError as error:
        where = "--files puts it into the working directory under its bare name"
        flag = f"--{kind.removeprefix('ssl.')}"
        raise Refused(flag, f"{path} can't be read here: {error.strerror}; on a cluster {where}") from None
