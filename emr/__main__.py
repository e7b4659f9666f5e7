"""`python -m emr VERB …`: each verb is a module with `add_flags`, which fills its parser, and `run`, which does it.

What stands after `--` are the flags of the job itself, `asked.ingest`.

Exit codes: what `run` gives; 1 when something didn't work, 2 when a flag is wrong, which one line says.
"""

import sys

from emr import logs, package, policy, render, status, stop, submit, upgrade
from emr.aws import Failed
from emr.jars import JarsError
from jobs.arguments import Parser
from jobs.settings import Refused

VERBS = {
    "package": package,
    "render": render,
    "submit": submit,
    "status": status,
    "logs": logs,
    "stop": stop,
    "upgrade": upgrade,
    "policy": policy,
}


def main(arguments: list[str]) -> int:
    """What was asked on the command line is done; the exit code."""
    parser = Parser(prog="python -m emr", allow_abbrev=False, description="How the job gets to a cluster.")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, verb in VERBS.items():
        summary = verb.__doc__.partition("\n")[0]
        verb.add_flags(verbs.add_parser(name, allow_abbrev=False, help=summary, description=summary))
    end = arguments.index("--") if "--" in arguments else len(arguments)
    try:
        asked = parser.parse_args(arguments[:end])
        asked.ingest = arguments[end + 1 :]
        return VERBS[asked.verb].run(asked)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 2
    except (Failed, JarsError) as failed:
        print(failed, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            f"{asked.verb}: given up; what was asked of AWS goes on, and `status` tells how it stands", file=sys.stderr
        )
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
