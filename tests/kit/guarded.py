"""The S3 of `tests.kit.s3` with a policy for the job's key, judged as Amazon's is; the tests' own key may do all."""

import io
import json
import re
import sys
from pathlib import Path
from urllib.parse import parse_qs, unquote

from moto.s3.responses import ACTION_MAP
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
from werkzeug.test import run_wsgi_app

from tests.kit.iam import allowed
from tests.kit.s3 import S3Server, atomic

DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


class GuardedS3(S3Server):
    """`policy` is asked at every request, from a file that may change."""

    def __init__(self, folder: Path, policy: dict):
        super().__init__(folder)
        self.folder = folder
        self.policy = folder / "policy.json"
        self.policy.write_text(json.dumps(policy))
        self.environment |= {"AWS_ACCESS_KEY_ID": "job"}

    def command(self) -> list[str]:
        return [sys.executable, "-m", "tests.kit.guarded", str(self.port), str(self.folder)]

    def asked(self, outcome: str) -> set[tuple[str, str]]:
        """The action and resource of every request that was `allowed` or `refused`."""
        lines = (self.folder / "asked.jsonl").read_text().splitlines()
        return {tuple(line[1:]) for line in map(json.loads, lines) if line[0] == outcome}


class Guard:
    def __init__(self, folder: Path):
        self.application = DomainDispatcherApplication(create_backend_app)
        self.folder = folder
        self.log = (folder / "asked.jsonl").open("a", buffering=1)

    def __call__(self, environ, start_response):
        if "Credential=job/" not in environ.get("HTTP_AUTHORIZATION", ""):
            return self.application(environ, start_response)
        bucket, _, key = unquote(environ["PATH_INFO"])[1:].partition("/")
        query = parse_qs(environ["QUERY_STRING"], keep_blank_values=True)
        if environ["REQUEST_METHOD"] == "POST" and "delete" in query:
            return self._delete(environ, start_response, bucket)
        if not all(self._may(*request) for request in needed(environ, bucket, key, query)):
            return forbidden(start_response)
        body, status, headers = run_wsgi_app(self.application, environ, buffered=True)
        missing = key if status.startswith("404") else None
        if source := environ.get("HTTP_X_AMZ_COPY_SOURCE"):
            missing = missing and unquote(source).lstrip("/").partition("/")[2]
        # That a key is absent may know who may list it: S3 takes the key for the prefix.
        if missing and not self._may("s3:ListBucket", bucket, missing):
            return forbidden(start_response)
        start_response(status, list(headers))
        return body

    def _may(self, action: str, resource: str, prefix: str = "") -> bool:
        policy = json.loads((self.folder / "policy.json").read_text())
        may = allowed(policy, action, f"arn:aws:s3:::{resource}", s3_prefix=prefix)
        self.log.write(json.dumps(["allowed" if may else "refused", action, resource]) + "\n")
        return may

    def _delete(self, environ, start_response, bucket: str):
        """DeleteObjects is judged key by key; here a request with one forbidden key deletes nothing at all."""
        sent = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        keys = re.findall("<Key>(.*?)</Key>", sent.decode())
        refused = [key for key in keys if not self._may("s3:DeleteObject", f"{bucket}/{key}")]
        if not refused:
            return self.application(environ | {"wsgi.input": io.BytesIO(sent)}, start_response)
        errors = "".join(f"<Error><Key>{key}</Key><Code>AccessDenied</Code></Error>" for key in refused)
        start_response("200 OK", [("Content-Type", "application/xml")])
        return [f"<DeleteResult>{errors}</DeleteResult>".encode()]


def needed(environ, bucket: str, key: str, query: dict[str, list[str]]) -> list[tuple[str, ...]]:
    """The actions that IAM asks for, each with its resource and, for a listing, the prefix."""
    names = ACTION_MAP["KEY" if key else "BUCKET"][environ["REQUEST_METHOD"]]
    action = next((names[name] for name in query if name in names), names.get("DEFAULT"))
    if action in ("HeadBucket", "ListBucket"):
        return [("s3:ListBucket", bucket, query.get("prefix", [""])[0])]
    requests = [(f"s3:{action}", f"{bucket}/{key}" if key else bucket)]
    if source := environ.get("HTTP_X_AMZ_COPY_SOURCE"):
        requests.append(("s3:GetObject", unquote(source).lstrip("/")))
    return requests


def forbidden(start_response):
    start_response("403 Forbidden", [("Content-Type", "application/xml")])
    return [DENIED]


if __name__ == "__main__":
    run_simple("127.0.0.1", int(sys.argv[1]), atomic(Guard(Path(sys.argv[2]))), threaded=True)
