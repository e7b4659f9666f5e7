"""Where the job can go, one row each: the platform, AWS's service and operation, the function that makes the request.

A new target is a row here and a function in its platform's file. A new platform is also a row in spark.py and sizes.py.
"""

from collections.abc import Callable
from typing import NamedTuple

from emr import ec2
from emr.plan import Plan


class Target(NamedTuple):
    platform: str
    service: str
    operation: str
    request: Callable[[Plan], dict]
    about: str


TARGETS = {
    "ec2-step": Target("ec2", "emr", "AddJobFlowSteps", ec2.step, "the job as a step of a running cluster"),
}
