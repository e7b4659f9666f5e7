"""Both stores keep the same promises: local folders, and S3 over HTTP."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from jobs import store as stores
from jobs.store import S3, Entry, Local


@pytest.fixture(params=["local", "s3"])
def kind(request, tmp_path):
    """A store, and the root that a test has for itself."""
    if request.param == "local":
        return Local(), str(tmp_path)
    server = request.getfixturevalue("s3")
    return S3(server.client()), f"s3://{server.bucket}/{tmp_path.name}"


def test_a_key_is_created_once(kind):
    store, root = kind
    assert store.create(f"{root}/a/1", b"first")
    assert not store.create(f"{root}/a/1", b"second")
    assert store.read(f"{root}/a/1") == b"first"
    assert [*store.files(f"{root}/a")] == [Entry("1", 5)]


def test_creating_the_same_bytes_again_is_the_same_creation(kind):
    """The first response was lost and the request sent again: it was ours all the same."""
    store, root = kind
    assert store.create(f"{root}/1", b"mine")
    assert store.create(f"{root}/1", b"mine")


def test_of_many_creators_at_once_exactly_one_wins(kind):
    store, root = kind
    barrier = threading.Barrier(8)

    def create(n: int) -> bool:
        barrier.wait()
        return store.create(f"{root}/1", b"%d" % n)

    with ThreadPoolExecutor(8) as pool:
        won = [*pool.map(create, range(8))]
    assert sum(won) == 1
    assert store.read(f"{root}/1") == b"%d" % won.index(True)


def test_what_is_absent_reads_as_none_and_lists_as_nothing(kind):
    store, root = kind
    assert store.read(f"{root}/nothing") is None
    assert not store.exists(f"{root}/nothing")
    assert [*store.files(f"{root}/nothing")] == store.folders(f"{root}/nothing") == []
    store.delete(f"{root}/nothing")
    store.discard(f"{root}/nothing")


def test_files_are_listed_in_order_below_the_folder_and_after_a_name(kind):
    store, root = kind
    for name in ("b/2", "b/10", "a", "bb/1"):
        store.replace(f"{root}/x/{name}", b"..")
    store.replace(f"{root}/xx/other", b"")
    assert [entry.name for entry in store.files(f"{root}/x")] == ["a", "b/10", "b/2", "bb/1"]
    assert [entry.name for entry in store.files(f"{root}/x", after="b/10")] == ["b/2", "bb/1"]
    assert sorted(store.folders(f"{root}/x")) == ["b", "bb"]


def test_a_copy_never_replaces(kind):
    store, root = kind
    store.replace(f"{root}/source", b"new")
    store.replace(f"{root}/target", b"old")
    assert store.copy(f"{root}/source", f"{root}/deep/er/target", 3)
    assert store.read(f"{root}/deep/er/target") == b"new"
    assert store.copy(f"{root}/source", f"{root}/target", 3)
    if isinstance(store, Local):  # S3's stand-in ignores the condition; the writer doesn't rely on it
        assert store.read(f"{root}/target") == b"old"


def test_a_copy_of_what_is_gone_says_so(kind):
    store, root = kind
    assert not store.copy(f"{root}/nothing", f"{root}/target", 3)
    assert not store.exists(f"{root}/target")


def test_what_a_place_admits_is_tried_without_a_trace(kind):
    store, root = kind
    store.admits(f"{root}/deep/er/file")
    assert [*store.files(root)] == store.folders(root) == []


def test_a_place_that_admits_nothing_says_so(tmp_path, s3):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        Local().admits(f"{tmp_path}/file/below")
    with pytest.raises(ClientError, match="NoSuchBucket"):
        S3(s3.client()).admits("s3://nobodys/file")


def test_deleting_a_folder_leaves_its_neighbours(kind):
    store, root = kind
    for n in range(1005):  # more than one page and one request
        store.replace(f"{root}/x/{n % 3}/{n}", b"")
    store.replace(f"{root}/xx", b"")
    store.delete(f"{root}/x")
    assert [entry.name for entry in store.files(root)] == ["xx"]


def test_hidden_files_are_no_files(tmp_path):
    """Hadoop's checksums, and what a kill -9 leaves of a half-made record."""
    (tmp_path / ".part.crc").touch()
    assert [*Local().files(str(tmp_path))] == []


class Client:
    """An S3 client that answers with what a test lists, then with success."""

    def __init__(self, *codes: str):
        self.codes = list(codes)
        self.asked: list[dict] = []

    def copy_object(self, **request):
        self.asked.append(request)
        if self.codes:
            raise ClientError({"Error": {"Code": self.codes.pop(0)}}, "operation")

    put_object = copy_object


def test_a_store_without_conditional_copies_is_asked_for_a_plain_one():
    client = Client("NotImplemented")
    assert S3(client).copy("s3://b/1", "s3://b/2", 1)
    assert [("IfNoneMatch" in request) for request in client.asked] == [True, False]
    assert S3(Client("PreconditionFailed")).copy("s3://b/1", "s3://b/2", 1)
    assert S3(Client("ConditionalRequestConflict")).copy("s3://b/1", "s3://b/2", 1)
    with pytest.raises(ClientError):
        S3(Client("AccessDenied")).copy("s3://b/1", "s3://b/2", 1)


def test_a_copy_that_is_too_large_for_one_request_replaces_nothing(s3, folder, monkeypatch):
    monkeypatch.setattr(stores, "LARGEST_COPY", 3)
    store, root = S3(s3.client()), f"s3://{s3.bucket}/{folder.name}"
    store.replace(f"{root}/staged", b"whole")
    assert store.copy(f"{root}/staged", f"{root}/new", 5) and store.read(f"{root}/new") == b"whole"
    store.replace(f"{root}/there", b"seen by readers")
    assert store.copy(f"{root}/staged", f"{root}/there", 5) and store.read(f"{root}/there") == b"seen by readers"
    assert not store.copy(f"{root}/nowhere", f"{root}/none", 5)


def test_a_creation_that_met_another_is_tried_again(monkeypatch):
    monkeypatch.setattr(stores.time, "sleep", lambda _: None)
    client = Client("ConditionalRequestConflict")
    assert S3(client).create("s3://b/1", b"")
    assert len(client.asked) == 2
    with pytest.raises(ClientError):
        S3(Client(*["ConditionalRequestConflict"] * 9)).create("s3://b/1", b"")
