"""Runs the check for many sets of flags in one driver: `spark-submit … checks.py FILE`; what each said is in FILE then.

FILE holds JSON: name → flags, an environment, and files that are written before.
"""

import contextlib
import io
import json
import os
import sys
from pathlib import Path
from unittest import mock

from jobs import exits
from jobs.arguments import parse
from jobs.check import checked
from jobs.session import session


def said(spark, flags: list[str], environment: dict[str, str], files: dict[str, str]) -> dict:
    for file, text in files.items():
        Path(file).write_text(text)
    out = io.StringIO()
    with mock.patch.dict(os.environ, environment), contextlib.redirect_stdout(out):
        code = exits.code("check.py", lambda: checked(spark, parse(flags)))
    return {"code": code, "lines": out.getvalue().splitlines()}


if __name__ == "__main__":
    file = Path(sys.argv[1])
    spark = session("checks")
    answers = {name: said(spark, **case) for name, case in json.loads(file.read_text()).items()}
    file.write_text(json.dumps(answers))
    spark.stop()
