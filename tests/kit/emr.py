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
from emr.releases import DEFAULT

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
        self.templates: list[dict] = []
        self.yarn: set[str] = set()  # the applications that run, by their tag
        self.waited: set[str] = set()  # the runs that have not begun
        self.deaf = False  # whether a cancel does nothing
        self.release = DEFAULT
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
        id = id or list(self.runs)[-1]
        self.runs[id]["state"] = state
        if state == "PENDING":
            self.waited.add(id)

    def started(self, kind: str, name: str, sent: dict, token: str | None = None) -> str:
        if token in self.tokens:
            return self.tokens[token]
        id = f"{kind}{len(self.runs) + 1:04d}"
        since = STARTED + datetime.timedelta(seconds=len(self.runs))
        self.runs[id] = {"name": name, "state": "RUNNING", "since": since, "sent": sent}
        if token:
            self.tokens[token] = id
        return id

    def cancelled(self, id: str) -> None:
        """It has ended when it has been looked at once more."""
        if not self.deaf:
            self.runs[id] |= {"state": "CANCELLING" if id.startswith("0") else "CANCEL_PENDING", "then": "CANCELLED"}

    def looked_at(self, id: str) -> dict:
        run = dict(self.runs[id])
        if then := self.runs[id].pop("then", None):
            self.ends(then, id)
        return run

    def page(self, ids: list[str], token: str | None, name: str) -> tuple[list[str], dict]:
        """One at a time, and the token of the next page."""
        at = int(token or 0)
        return ids[at : at + 1], {name: str(at + 1)} if at + 1 < len(ids) else {}

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
        run = self.looked_at(id)
        times = {"CreationDateTime": run["since"]}
        if id not in self.waited:
            times["StartDateTime"] = run["since"]
        status = {"State": run["state"], "Timeline": times}
        return {"Id": id, "Name": run["name"], "Config": {"Args": run["sent"]["Args"]}, "Status": status}

    def ListSteps(self, params: dict) -> dict:
        """Newest first, as AWS promises of steps alone."""
        ids, more = self.page(list(self.runs)[::-1], params.get("Marker"), "Marker")
        return {"Steps": [self._step(id) for id in ids], **more}

    def DescribeStep(self, params: dict) -> dict:
        return {"Step": self._step(params["StepId"])}

    def DescribeCluster(self, params: dict) -> dict:
        return {"Cluster": {"Id": params["ClusterId"], "LogUri": self.log_uri, "ReleaseLabel": self.release}}

    def GetApplication(self, params: dict) -> dict:
        rest = {"arn": ARN, "type": "SPARK", "state": "STARTED", "createdAt": STARTED, "updatedAt": STARTED}
        return {"application": {"applicationId": params["applicationId"], "releaseLabel": self.release, **rest}}

    def CancelSteps(self, params: dict) -> dict:
        """As on EMR, the application on YARN goes on."""
        for id in params["StepIds"]:
            self.cancelled(id)
        return {"CancelStepsInfoList": []}

    # EKS and Serverless: `virtualClusterId` tells them apart

    def StartJobRun(self, params: dict) -> dict:
        id = self.started("0000", params["name"], params, params["clientToken"])
        return {"id": id} if "virtualClusterId" in params else {"applicationId": "a", "jobRunId": id, "arn": ARN}

    def _run(self, id: str, params: dict) -> dict:
        run = self.looked_at(id)
        echoed = ("jobDriver", "configurationOverrides", "tags")
        told = {key: value for key, value in run["sent"].items() if key in echoed}
        return {"name": run["name"], "state": run["state"], "createdAt": run["since"], **told}

    def ListJobRuns(self, params: dict) -> dict:
        ids, more = self.page(list(self.runs), params.get("nextToken"), "nextToken")
        if "virtualClusterId" in params:
            return {"jobRuns": [self._run(id, params) | {"id": id} for id in ids], **more}
        summary = {
            **{"applicationId": "a", "arn": ARN, "createdBy": ROLE, "executionRole": ROLE, "stateDetails": "-"},
            **{"releaseLabel": "emr", "updatedAt": STARTED},
        }
        runs = [(id, self.looked_at(id)) for id in ids]
        return {"jobRuns": [summary | shown(id, run) for id, run in runs], **more}

    def DescribeJobRun(self, params: dict) -> dict:
        return {"jobRun": self._run(params["id"], params) | {"id": params["id"]}}

    def GetJobRun(self, params: dict) -> dict:
        rest = {"applicationId": "a", "arn": ARN, "createdBy": ROLE, "executionRole": ROLE, "stateDetails": "-"}
        rest |= {"releaseLabel": "emr", "updatedAt": STARTED, "jobRunId": params["jobRunId"]}
        return {"jobRun": rest | self._run(params["jobRunId"], params)}

    def CancelJobRun(self, params: dict) -> dict:
        id = params.get("id") or params["jobRunId"]
        self.cancelled(id)
        return {"id": id} if "virtualClusterId" in params else {"applicationId": "a", "jobRunId": id}

    def CreateJobTemplate(self, params: dict) -> dict:
        self.templates.append(params)
        return {"id": f"template{len(self.templates)}"}

    def ListJobTemplates(self, params: dict) -> dict:
        ids, more = self.page([str(n) for n in range(len(self.templates))], params.get("nextToken"), "nextToken")
        made = [(int(n), self.templates[int(n)]) for n in ids]
        return {"templates": [shown_template(n, template) for n, template in made], **more}


def shown_template(n: int, made: dict) -> dict:
    kept = {key: made[key] for key in ("name", "jobTemplateData", "tags")}
    return {"id": f"template{n + 1}", "createdAt": STARTED, **kept}


def shown(id: str, run: dict) -> dict:
    return {"id": id, "name": run["name"], "state": run["state"], "createdAt": run["since"]}
