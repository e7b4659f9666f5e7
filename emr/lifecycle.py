"""Rules for the bucket: what no job needs any more goes by itself. A pure function."""

from emr.plan import Plan
from jobs import flags
from jobs.settings import Refused

# Of a batch that was committed and then left alone, the staged files are the only copy until the job runs again: the
# rule gives a job that is down this long.
STAGING_DAYS = 30
UPLOAD_DAYS = 7


def rules(plan: Plan) -> dict:
    """The request of PutBucketLifecycleConfiguration, for one bucket and the job's places in it."""
    settings = plan.settings
    bucket = plan.asked.bucket or flags.bucket(settings.table)
    places = {name: getattr(settings, name) for name in ("table", "quarantine", "state")}
    here = {name: _prefix(uri) for name, uri in places.items() if flags.bucket(uri) == bucket}
    if ("state" not in here and not plan.asked.bucket) or not here:
        raise Refused("--bucket", f"{settings.state} is not in {bucket}: each bucket has rules of its own, say which")
    made = [
        _rule(plan, f"{name}-uploads", prefix, {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UPLOAD_DAYS}})
        for name, prefix in here.items()
    ]
    if "state" in here:
        made.append(_rule(plan, "staging", f"{here['state']}staging/", {"Expiration": {"Days": STAGING_DAYS}}))
    return {"Bucket": bucket, "LifecycleConfiguration": {"Rules": made}}


def _rule(plan: Plan, about: str, prefix: str, action: dict) -> dict:
    return {"ID": f"{plan.name}-{about}", "Status": "Enabled", "Filter": {"Prefix": prefix}, **action}


def _prefix(uri: str) -> str:
    return uri.split("/", 3)[3] + "/" if uri.count("/") > 2 else ""
