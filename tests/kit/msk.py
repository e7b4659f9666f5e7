"""Stand-ins for what moto lacks of Amazon MSK: GetBootstrapBrokers, and a broker's login by IAM."""

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


class Clusters:
    """`with Clusters({arn: answer}) as msk:` answers as MSK's REST interface does; `asked` has who asked for what."""

    def __init__(self, clusters: Mapping[str, Mapping[str, str]]):
        self.clusters = clusters
        self.asked: list[tuple[str, str]] = []  # the ARN, and the access key that signed the request

    def __enter__(self) -> "Clusters":
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        msk = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                arn = unquote(self.path.removeprefix("/v1/clusters/").removesuffix("/bootstrap-brokers"))
                msk.asked.append((arn, self.headers["Authorization"].split("Credential=")[1].split("/")[0]))
                known = arn in msk.clusters
                missing = {"invalidParameter": "clusterArn", "message": "The cluster does not exist."}
                body = json.dumps(msk.clusters[arn] if known else missing).encode()
                self.send_response(200 if known else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                if not known:
                    self.send_header("x-amzn-ErrorType", "NotFoundException")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler
