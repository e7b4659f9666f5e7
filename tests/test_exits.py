"""How a command ends: one line, and the exit code that a scheduler acts on."""

import pytest

from jobs import exits
from jobs.ledger import Unreadable
from jobs.offsets import Lost, OutOfStep
from jobs.refusals import Unreachable
from jobs.settings import Refused
from jobs.writer import Fenced, Unusable

AGAIN, MEND, ANOTHER, PERSON = 1, 2, 3, 4


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Refused("--table", "no"), MEND),
        (Unreachable("--table", "no"), AGAIN),
        (Fenced("no"), ANOTHER),
        (Unreadable("no"), PERSON),
        (Unusable("no"), PERSON),
        (Lost("no"), PERSON),
        (OutOfStep("no"), AGAIN),
        (OSError("no"), AGAIN),
        (KeyboardInterrupt(), 130),
    ],
)
def test_what_went_wrong_tells_a_scheduler_what_to_do(error, code, capsys):
    def fails() -> int:
        raise error

    assert exits.code("job.py", fails) == code
    assert capsys.readouterr().err == ("" if code == 130 else f"job.py: {error}\n")
