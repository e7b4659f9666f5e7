"""Where the job can go, one row each: the platform, AWS's service and operation, the function that makes the request.

A new target is a row here and a function in its platform's file. A new platform is also a row in spark.py and sizes.py.
"""

from collections.abc import Callable
from typing import NamedTuple

from emr import ec2, eks, lifecycle, rules, serverless
from emr.plan import Plan
from jobs.settings import Refused


class Target(NamedTuple):
    platform: str
    service: str
    operation: str
    request: Callable[[Plan], dict]
    about: str

    def made(self, plan: Plan) -> dict:
        """The request; raises `Refused` with all that AWS would not take of it."""
        for flag, targets in ALONE.items():
            if getattr(plan.asked, flag) and plan.asked.target not in targets:
                raise Refused(f"--{flag.replace('_', '-')}", f"only for {' and '.join(targets)}")
        request = self.request(plan)
        if faults := rules.faults(self.service, self.operation, request):
            raise Refused(self.operation, "; ".join(faults))
        return request


TARGETS = {
    "ec2-step": Target("ec2", "emr", "AddJobFlowSteps", ec2.step, "the job as a step of a running cluster"),
    "ec2-cluster": Target("ec2", "emr", "RunJobFlow", ec2.cluster, "a cluster with the job as its first step"),
    "eks": Target("eks", "emr-containers", "StartJobRun", eks.run, "a run of the job"),
    "eks-template": Target("eks", "emr-containers", "CreateJobTemplate", eks.template, "a template of such runs"),
    "serverless-application": Target(
        "serverless", "emr-serverless", "CreateApplication", serverless.application, "what runs are started in"
    ),
    "serverless": Target("serverless", "emr-serverless", "StartJobRun", serverless.run, "a run of the job"),
    "serverless-schedule": Target(
        "serverless", "scheduler", "CreateSchedule", serverless.schedule, "a drain each hour, or when you say"
    ),
    "bucket-lifecycle": Target(
        "", "s3", "PutBucketLifecycleConfiguration", lifecycle.rules, "what no job needs any more goes"
    ),
}
# The flags that mean something to few targets, by their names in the parsed command line.
ALONE = {
    "transient": ("ec2-cluster",),
    "instance_type": ("ec2-cluster",),
    "nodes": ("ec2-cluster",),
    "job_template_id": ("eks",),
    "schedule": ("serverless-schedule",),
    "bucket": ("bucket-lifecycle",),
}
