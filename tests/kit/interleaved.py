"""Drivers whose every request to the store is one step, taken in whatever order a test says; and a store in memory."""

import threading
from collections.abc import Callable, Iterable

from jobs.store import Entry


class Memory:
    """A store's verbs over a dict. `overwrites` makes it the store that the job must refuse."""

    def __init__(self, overwrites: bool = False):
        self.objects: dict[str, bytes] = {}
        self.overwrites = overwrites

    def create(self, uri: str, data: bytes) -> bool:
        if self.overwrites or uri not in self.objects:
            self.objects[uri] = data
        return self.objects[uri] == data

    def replace(self, uri: str, data: bytes) -> None:
        self.objects[uri] = data

    def read(self, uri: str) -> bytes | None:
        return self.objects.get(uri)

    def exists(self, uri: str) -> bool:
        return uri in self.objects

    def files(self, folder: str, after: str = "") -> list[Entry]:
        names = sorted(uri.removeprefix(f"{folder}/") for uri in self.objects if uri.startswith(f"{folder}/"))
        return [Entry(name, len(self.objects[f"{folder}/{name}"])) for name in names if name > after]

    def folders(self, folder: str) -> list[str]:
        return sorted({entry.name.split("/")[0] for entry in self.files(folder) if "/" in entry.name})

    def reaches(self, source: str, target: str) -> bool:
        return True

    def copy(self, source: str, target: str, size: int) -> bool:
        if source not in self.objects:
            return False
        self.objects[target] = self.objects[source]  # as the stand-ins that ignore a conditional copy
        return True

    def delete(self, folder: str) -> None:
        for entry in self.files(folder):
            del self.objects[f"{folder}/{entry.name}"]

    def discard(self, uri: str) -> None:
        self.objects.pop(uri, None)


class Crashed(BaseException):
    """kill -9: nothing in the code under test may catch it."""


class Driver:
    """Runs `work(store)` in a thread that stops before each of the store's verbs until `step` lets it go on."""

    def __init__(self, work: Callable[[object], None], store: Memory):
        self.store = store
        self.go, self.stopped = threading.Semaphore(0), threading.Semaphore(0)
        self.fate, self.ended = "", False
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self.thread.start()
        self.stopped.acquire()

    def _run(self, work: Callable[[object], None]) -> None:
        try:
            work(self)
        except BaseException as error:
            self.error = error
        self.ended = True
        self.stopped.release()

    def __getattr__(self, verb: str):
        def stepped(*args):
            self.stopped.release()
            self.go.acquire()
            if self.fate == "crash":
                raise Crashed
            result = getattr(self.store, verb)(*args)
            if self.fate == "lost":
                raise TimeoutError
            return result

        return stepped

    def step(self, fate: str = "") -> None:
        """One more request is applied, and its response may be `lost`; or the driver dies before it: a `crash`."""
        self.fate = fate
        self.go.release()
        self.stopped.acquire()


class Serial:
    """A thread pool without threads, so that a driver's copies are steps too."""

    def __init__(self, size: int):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def map(self, function: Callable, *items: Iterable):
        return map(function, *items)


def interleave(drivers: list[Driver], schedule: Iterable[tuple[int, int, str]], after_each: Callable[[], None]) -> None:
    """Steps the drivers by `schedule` (which one, how far, what becomes of it then), then each to its end."""

    def step(driver: Driver, fate: str = "") -> None:
        if not driver.ended:
            driver.step(fate)
            after_each()

    for which, steps, fate in schedule:
        alive = [driver for driver in drivers if not driver.ended]
        if not alive:
            return
        for _ in range(steps):
            step(alive[which % len(alive)])
        if fate:
            step(alive[which % len(alive)], fate)
    for driver in drivers:
        while not driver.ended:
            step(driver)
