"""EMR on EC2 whose steps are run: each on a real YARN, as the machine of the cluster that takes them would."""

import signal
import subprocess

from tests.kit.emr import Emr
from tests.kit.job import kill
from tests.kit.yarn import Yarn


class Steps(Emr):
    """`with Steps(yarn) as emr:` answers for `emr` in this process; a step's state is that of its command."""

    def __init__(self, yarn: Yarn):
        super().__init__()
        self.machine = yarn
        self.commands: dict[str, subprocess.Popen] = {}

    def __exit__(self, *raised):
        for command in self.commands.values():
            kill(command)
        super().__exit__(*raised)

    def AddJobFlowSteps(self, params: dict) -> dict:
        step = params["Steps"][0]
        id = self.started("s-", step["Name"], step["HadoopJarStep"])
        self.commands[id] = self.machine.submit(step["HadoopJarStep"]["Args"])
        return {"StepIds": [id]}

    def CancelSteps(self, params: dict) -> dict:
        """The command is interrupted; what it has brought to YARN isn't."""
        for id in params["StepIds"]:
            self.commands[id].send_signal(signal.SIGINT)
            self.commands[id].wait(60)
            self.cancelled(id)
        return {"CancelStepsInfoList": []}

    def _step(self, id: str) -> dict:
        code = self.commands[id].poll()
        if code is not None and self.runs[id]["state"] == "RUNNING":
            self.ends("FAILED" if code else "COMPLETED", id)
        return super()._step(id)
