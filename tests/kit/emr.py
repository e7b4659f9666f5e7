"""EMR as far as moto doesn't know it: each platform's runs and their states, with every request checked strictly.

`with Emr() as emr:` answers the operations of `emr`, `emr-containers` and `emr-serverless` in this process. A run goes
on until the test says `emr.ends(…)`, or until it is cancelled; every request must be one that AWS would take, and every
answer has the form of AWS's own.
"""

import contextlib
import datetime
import json
from pathlib import Path
from unittest import mock

import boto3
from botocore.validate import ParamValidator

from emr import rules

ARN = "arn:aws:emr-serverless:us-east-1:111122223333:/applications/00fabc/jobruns/00001"
ROLE = "arn:aws:iam::111122223333:role/job"
STARTED = datetime.datetime(2026, 11, 1, tzinfo=datetime.timezone.utc)


def uploaded(folder: Path, digest: str = "1", line: str = "4.1") -> Path:
    """A list as `package --to` writes it; of each version the code differs."""
    names = ("ingest.py", "code.zip", "libraries.zip", "log4j2.properties", "driver-pod.yaml", "kafka.jar")
    files = {name: (digest if name == "code.zip" else "0") * 64 for name in names}
    path = folder / f"{digest}.json"
    path.write_text(json.dumps({"spark": line, "place": "s3://floodmark/code", "files": files}))
    return path


class Emr:
    """`runs` are by id, the newest last, each a dict with `name`, `state` and what was `sent`; `asked` all requests."""

    def __init__(self):
        self.runs: dict[str, dict] = {}
        self.asked: list[tuple[str, dict]] = []
        self.tokens: dict[str, str] = {}
        self.yarn: set[str] = set()  # the applications that run, by their tag
        self.deaf = False  # whether a cancel does nothing
        self.log_uri = "s3://floodmark/logs/"

    def __enter__(self) -> "Emr":
        self.stack = contextlib.ExitStack()
        make = boto3.client
        self.stack.enter_context(
            mock.patch("boto3.client", lambda service, **more: self.answering(service, make, more))
        )
        return self

    def __exit__(self, *_):
        self.stack.close()

    def answering(self, service: str, make, more: dict):
        client = make(service, **more)
        if service.startswith("emr"):
            client.meta.events.register("before-parameter-build", self.checked)
            client.meta.events.register("before-call", self.answer)
        return client

    def checked(self, params: dict, model, **_) -> None:
        wrong = rules.faults(model.service_model.service_name, model.name, params)
        assert not wrong, (model.name, wrong)
        self.asked.append((model.name, params))

    def answer(self, model, **_):
        name, params = self.asked[-1]
        found = getattr(self, name)(params)
        wrong = ParamValidator().validate(found, model.output_shape)
        assert not wrong.has_errors(), wrong.generate_report()
        return mock.Mock(status_code=200), found

    def ends(self, state: str, id: str | None = None) -> None:
        """The run, the last one unless another is said, is in that state from now on."""
        self.runs[id or list(self.runs)[-1]]["state"] = state

    def started(self, kind: str, name: str, sent: dict, token: str | None = None) -> str:
        if token in self.tokens:
            return self.tokens[token]
        id = f"{kind}{len(self.runs) + 1:04d}"
        self.runs[id] = {"name": name, "state": "RUNNING", "sent": sent}
        if token:
            self.tokens[token] = id
        return id

    def newest(self) -> list[str]:
        return list(self.runs)[::-1]

    # EC2

    def AddJobFlowSteps(self, params: dict) -> dict:
        step = params["Steps"][0]
        id = self.started("s-", step["Name"], step["HadoopJarStep"])
        words = step["HadoopJarStep"]["Args"]
        if words[0] == "bash":
            self.yarn = {tag for tag in self.yarn if tag not in words[2]}
            self.ends("COMPLETED", id)
        else:
            self.yarn.add(step["Name"])
        return {"StepIds": [id]}

    def _step(self, id: str) -> dict:
        run = self.runs[id]
        status = {"State": run["state"], "Timeline": {"CreationDateTime": STARTED}}
        return {"Id": id, "Name": run["name"], "Config": {"Args": run["sent"]["Args"]}, "Status": status}

    def ListSteps(self, params: dict) -> dict:
        return {"Steps": [self._step(id) for id in self.newest()]}

    def DescribeStep(self, params: dict) -> dict:
        return {"Step": self._step(params["StepId"])}

    def DescribeCluster(self, params: dict) -> dict:
        return {"Cluster": {"Id": params["ClusterId"], "LogUri": self.log_uri}}

    def CancelSteps(self, params: dict) -> dict:
        """As on EMR, the application on YARN goes on."""
        for id in params["StepIds"] if not self.deaf else ():
            self.ends("CANCELLED", id)
        return {"CancelStepsInfoList": []}

    # EKS and Serverless: `virtualClusterId` tells them apart

    def StartJobRun(self, params: dict) -> dict:
        id = self.started("0000", params["name"], params, params["clientToken"])
        return {"id": id} if "virtualClusterId" in params else {"applicationId": "a", "jobRunId": id, "arn": ARN}

    def _run(self, id: str, params: dict) -> dict:
        run = self.runs[id]
        told = {key: value for key, value in run["sent"].items() if key in ("jobDriver", "configurationOverrides")}
        return {"name": run["name"], "state": run["state"], "createdAt": STARTED, **told}

    def ListJobRuns(self, params: dict) -> dict:
        if "virtualClusterId" in params:
            return {"jobRuns": [self._run(id, params) | {"id": id} for id in self.newest()]}
        summary = {
            **{"applicationId": "a", "arn": ARN, "createdBy": ROLE, "executionRole": ROLE, "stateDetails": "-"},
            **{"releaseLabel": "emr", "updatedAt": STARTED, "createdAt": STARTED},
        }
        runs = [(id, self.runs[id]) for id in self.newest()]
        return {"jobRuns": [summary | {"id": id, "name": run["name"], "state": run["state"]} for id, run in runs]}

    def DescribeJobRun(self, params: dict) -> dict:
        return {"jobRun": self._run(params["id"], params) | {"id": params["id"]}}

    def GetJobRun(self, params: dict) -> dict:
        rest = {"applicationId": "a", "arn": ARN, "createdBy": ROLE, "executionRole": ROLE, "stateDetails": "-"}
        rest |= {"releaseLabel": "emr", "updatedAt": STARTED, "jobRunId": params["jobRunId"]}
        return {"jobRun": rest | self._run(params["jobRunId"], params)}

    def CancelJobRun(self, params: dict) -> dict:
        id = params.get("id") or params["jobRunId"]
        if not self.deaf:
            self.ends("CANCELLED", id)
        return {"id": id} if "virtualClusterId" in params else {"applicationId": "a", "jobRunId": id}
