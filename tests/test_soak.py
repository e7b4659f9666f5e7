"""The soak leaves nothing out: every fault has its tests, and every test that takes minutes is one of a fault's."""

import ast
import re
from pathlib import Path

from tests.soak.faults import FAULTS, KILLS, ORACLE

TESTS = Path(__file__).parent
NAMED = {name for fault in FAULTS.values() for name in fault.tests}


def functions(path: Path) -> dict[str, str]:
    """The tests of a file, with their decorators as text."""
    found = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
    return {node.name: " ".join(map(ast.unparse, node.decorator_list)) for node in found if node.name[:5] == "test_"}


def test_every_fault_has_tests_and_they_exist():
    assert set(FAULTS) == {*range(31)}
    assert [number for number, fault in FAULTS.items() if not fault.tests] == [ORACLE, KILLS]
    for name in NAMED:
        path, _, test = name.partition("::")
        assert test in functions(TESTS.parent / path) if test else (TESTS.parent / path).is_file(), name


def test_every_test_that_takes_minutes_is_one_of_a_fault():
    slow = [
        f"tests/{path.name}::{name}"
        for path in TESTS.glob("test_*.py")
        for name, decorators in functions(path).items()
        if re.search(r"mark\.soak\b", decorators)
    ]
    assert slow and not [name for name in slow if name not in NAMED and name.partition("::")[0] not in NAMED]
