"""A request as a command line of the AWS CLI, for those who send it themselves.

`--cli-input-json` takes each request as it is, but for EMR on EC2: there the CLI has commands of its own, `add-steps`
and `create-cluster`, in the place of AddJobFlowSteps and RunJobFlow.
"""

import json

from botocore import xform_name

COMMANDS = {"s3": "s3api"}  # the CLI's name of a service, where it has one of its own


def command(service: str, operation: str, request: dict) -> list[str]:
    """The words of the command."""
    if operation in OWN:
        return OWN[operation](request)
    name = xform_name(operation, "-")
    return ["aws", COMMANDS.get(service, service), name, "--cli-input-json", json.dumps(request)]


def add_steps(request: dict) -> list[str]:
    return ["aws", "emr", "add-steps", "--cluster-id", request["JobFlowId"], "--steps", steps(request)]


def steps(request: dict) -> str:
    return json.dumps(
        [
            {"Type": "CUSTOM_JAR", "Name": step["Name"], "ActionOnFailure": step["ActionOnFailure"]}
            | step["HadoopJarStep"]
            for step in request["Steps"]
        ]
    )


def create_cluster(request: dict) -> list[str]:
    instances = request["Instances"]
    options = {
        "name": request["Name"],
        "release-label": request["ReleaseLabel"],
        "log-uri": request["LogUri"],
        "applications": json.dumps(request["Applications"]),
        "service-role": request["ServiceRole"],
        "ec2-attributes": json.dumps(
            {
                "InstanceProfile": request["JobFlowRole"],
                "SubnetId": instances["Ec2SubnetId"],
                **{name: groups for name, groups in instances.items() if name.startswith("Additional")},
            }
        ),
        "instance-groups": json.dumps([group(one) for one in instances["InstanceGroups"]]),
        "steps": steps(request),
        "step-concurrency-level": str(request["StepConcurrencyLevel"]),
        "configurations": json.dumps(request["Configurations"]),
        "managed-scaling-policy": json.dumps(request["ManagedScalingPolicy"]),
        "scale-down-behavior": request["ScaleDownBehavior"],
        "tags": " ".join(f"{tag['Key']}={tag['Value']}" for tag in request["Tags"]),
    }
    if policy := request.get("AutoTerminationPolicy"):
        options["auto-termination-policy"] = json.dumps(policy)
    switches = {
        "auto-terminate": not instances["KeepJobFlowAliveWhenNoSteps"],
        "termination-protected": instances["TerminationProtected"],
        "unhealthy-node-replacement": instances["UnhealthyNodeReplacement"],
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return [
        "aws",
        "emr",
        "create-cluster",
        *words,
        *(f"--{'' if on else 'no-'}{name}" for name, on in switches.items()),
    ]


def group(found: dict) -> dict:
    """An instance group; without a price to bid it is on demand."""
    kept = {name: found[name] for name in ("Name", "InstanceType", "InstanceCount")}
    return kept | {"InstanceGroupType": found["InstanceRole"]}


OWN = {"AddJobFlowSteps": add_steps, "RunJobFlow": create_cluster}
