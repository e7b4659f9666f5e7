"""No room left: on the disk of the table, on the disk that Spark works on, in the driver's memory."""

import pytest

from jobs.store import Local
from tests.kit.disk import Disk
from tests.kit.oracle import Oracle
from tests.kit.synthetic import Synthetic


@pytest.fixture
def disk(folder):
    with Disk(folder / f"{folder.name}-disk") as disk:
        yield disk


@pytest.mark.parametrize("what", ["pages", "files"])
def test_a_disk_that_fills_up_at_any_write_costs_nothing(what, disk, folder):
    """The job's own `Writer`, without Spark: with room for so many writes it fails, with room it goes on exactly."""
    failed = []
    for left in range(40):
        root = disk.folder / str(left)
        reader = Oracle(folder, f"{root}/table", f"{root}/table_quarantine")
        disk.fill(left * 4096) if what == "pages" else disk.limit_files(left)
        first = Synthetic(Local(), f"{root}/table", folder / "first.parquet")
        try:
            first.claim()
            first.batch()
            first.batch()
        except OSError as error:
            failed.append(str(error))
        reader.look()
        disk.fill(16 * 2**20) if what == "pages" else disk.limit_files(None)
        second = Synthetic(Local(), f"{root}/table", folder / "second.parquet")
        second.claim()
        second.batch()
        reader.assert_exactly(("t", 0, offset) for offset in range(second.end))
        assert not [path for path in root.rglob(".*")] and not [*root.glob("table_state/staging/*")]
    assert 5 < len(failed) < 40 and all("No space left on device" in said for said in failed)
