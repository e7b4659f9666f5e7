"""The lock of Python's packages: what setup.py pins is in it, and everything has its hashes."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PIN = re.compile(r"^([A-Za-z0-9-]+)==(\S+)", re.MULTILINE)


def locked(line: str) -> str:
    return (ROOT / f"requirements-{line}.txt").read_text()


@pytest.mark.parametrize("line", ["4.1", "3.5", "bench"])
def test_the_lock_has_what_setup_pins(line):
    everything, bench = (ROOT / "setup.py").read_text().split('"bench": ')
    text = bench if line == "bench" else everything
    pinned = {(name.lower(), version) for name, version in re.findall(r'"([A-Za-z0-9-]+)(?:\[.*?\])?==([\w.]+)', text)}
    other = {("pyspark", version) for name, version in pinned if name == "pyspark" and not version.startswith(line)}
    assert pinned - other <= set(PIN.findall(locked(line)))


@pytest.mark.parametrize("line", ["4.1", "3.5", "bench"])
def test_every_package_of_the_lock_has_hashes_and_comes_from_where_pip_says(line):
    packages = re.split(r"\n(?=[A-Za-z])", locked(line))
    assert len(packages) > (10 if line == "bench" else 40)
    assert all(PIN.match(package) and "--hash=sha256:" in package for package in packages)
    assert "://" not in locked(line)
