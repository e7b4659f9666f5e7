"""One line a batch, for a machine or a person."""

import io
import json
from types import SimpleNamespace

from jobs.progress import Progress, behind
from jobs.sink import Report
from tests.test_ledger import BATCH


def progress_of(out, live=False, latest='{"t":{"0":12,"1":3}}', done='{"t":{"0":8}}', batch=9) -> Progress:
    sink = SimpleNamespace(
        reports={9: Report(9, BATCH, {"stage": 1.25, "check": 0.04, "commit": 0.001, "publish": 0.02})}
    )
    progress = Progress(sink, live, out)
    progress.batch(SimpleNamespace(batchId=batch, sources=[SimpleNamespace(latestOffset=latest, endOffset=done)]))
    return progress


def test_a_machine_reads_json():
    progress_of(out := io.StringIO())
    assert json.loads(out.getvalue()) == {
        "batch": 9, "seq": 5, "rows_in": 3, "rows_written": 2, "rows_rejected": 1, "holes": 0, "files": 1,
        "bytes": 10,
        "seconds": {"stage": 1.25, "check": 0.04, "commit": 0.001, "publish": 0.02}, "lag": {"t": 7},
    }  # fmt: skip


def test_a_person_sees_one_live_line():
    progress_of(out := io.StringIO(), live=True)
    assert out.getvalue() == (
        "\r\033[Kbatch 9 · 3 in, 2 written, 1 rejected · 1 files, 0.0 MiB · lag t 7 · "
        "seconds: stage 1.2 check 0.0 commit 0.0 publish 0.0"
    )


def test_the_lag_of_many_topics_is_one_number():
    assert behind({"t": 1_000, "u": 2}) == "t 1,000, u 2"
    assert behind({f"t{n}": 1_000 for n in range(4)}) == "4,000 in 4 topics"


def test_requests_that_had_to_be_sent_again_are_told():
    sink = SimpleNamespace(reports={9: Report(9, BATCH, {}, retries=3)})
    Progress(sink, out=(out := io.StringIO())).done(9)
    assert json.loads(out.getvalue())["retries"] == 3
    sink.reports[9] = Report(9, BATCH, {}, retries=3)
    Progress(sink, True, terminal := io.StringIO()).done(9)
    assert "· 3 retries" in terminal.getvalue()


def test_an_unknown_lag_is_not_a_lag_of_zero():
    progress_of(out := io.StringIO(), latest=None)
    assert json.loads(out.getvalue())["lag"] is None
    progress_of(terminal := io.StringIO(), live=True, latest=None)
    assert "lag ?" in terminal.getvalue()


def test_a_batch_has_its_line_once_and_an_idle_trigger_none():
    progress = progress_of(out := io.StringIO())
    progress.batch(SimpleNamespace(batchId=9, sources=[]))
    progress.batch(SimpleNamespace(batchId=10, sources=[]))
    assert len(out.getvalue().splitlines()) == 1
    assert progress.sink.reports == {}


def test_a_batch_whose_query_died_has_its_line_all_the_same(monkeypatch):
    monkeypatch.setattr("jobs.progress.PATIENCE", 0)
    progress = progress_of(out := io.StringIO(), batch=1)
    progress.flush()
    assert json.loads(out.getvalue())["lag"] is None
    progress.flush()
    assert len(out.getvalue().splitlines()) == 1


def test_what_happens_to_the_job_is_a_line_too():
    progress = progress_of(out := io.StringIO(), batch=1)
    progress.say("restarted", deaths=2)
    assert json.loads(out.getvalue()) == {"event": "restarted", "deaths": 2}
