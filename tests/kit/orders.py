"""Every order of several drivers' requests to S3, with kills and lost answers: a search through all states.

The drivers run the job's own code down to the client. What one asks next depends on nothing but the answers that it
got, so none is kept running: its code is run again from its last point of rest, with the answers since then, up to its
next request. A state is the objects and where each driver is; each is looked at once.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from jobs.store import S3
from tests.kit.bucket import LOST, WRITES, Client, Objects, Request, served

ENDS = ("done", "fenced", "gave up")


class Asked(BaseException):
    """The answers are used up: this is the driver's next request."""


class Wrong(AssertionError):
    """The steps that lead to what is broken, and what it is."""


class Place(NamedTuple):
    """Where a driver is: what it was at its last point of rest, the answers since, and its next request."""

    driver: int
    rest: tuple | None
    answers: tuple
    request: Request | None  # none at its end


class State(NamedTuple):
    """By their numbers the objects and each living driver's place; and the requests that may still arrive."""

    objects: int
    alive: tuple[int, ...]
    late: tuple[Request, ...]
    started: int
    lost: int


class Step(NamedTuple):
    """A driver's request, or one that arrives late, and what became of it."""

    fate: str
    who: str = ""
    request: Request = ()
    answer: object = ""

    def __str__(self) -> str:
        if not self.request:
            return self.fate
        source = f" from {self.request[2]}" if self.request[0] == "copy" else ""
        said = {tuple: lambda found: f"{len(found)} found", bytes: lambda _: "there", type(None): lambda _: "ok"}
        answer = said.get(type(self.answer), str)(self.answer)
        return f"{self.who}: {' '.join(self.request[:2])}{source} {answer and f'-> {answer}'} {self.fate}".rstrip()


class Search:
    """Two drivers at a time and `drivers` in all: one that is killed makes room. `losses` answers get lost.

    `drive(store, number, rest)` brings a driver from one point of rest, none at first, to the next: a phase, one of
    ENDS at last, and what it remembers. `seen(before, after)` raises when a reader saw the promise broken;
    `settled(objects)` when a driver is done and something isn't.
    """

    def __init__(self, drive: Callable, seen: Callable, settled: Callable, drivers: int = 2, losses: int = 0):
        self.drive, self.seen, self.settled, self.drivers, self.losses = drive, seen, settled, drivers, losses
        self.objects: list[Objects] = []
        self.places: list[Place] = []
        self.numbers: dict[object, int] = {}  # of the objects and the places
        self.answers: dict[tuple[int, Request], tuple[int, object]] = {}
        self.went: dict[tuple[int, object], int] = {}  # a place and the next answer: the place after it
        self.states: dict[State, int] = {}  # numbered as they were found
        self.came: list[tuple[int, Step]] = []  # from which state each was found, and by which step
        self.after: list[list[int]] = []  # each state's next ones
        self.step = Step("the start")  # the one under way
        self.alone: list[Step] = []  # what follows it if all are killed then

    def run(self) -> "Search":
        """Every state was looked at; raises `Wrong`, with the fewest steps that lead to it, where one is broken."""
        try:
            todo = [State(self._objects({}), (self._place(0), self._place(1)), (), 2, 0)]
            self.states[todo[0]] = 0
            for number, state in enumerate(todo):
                self.after.append([])
                for after in self._after(state):
                    self.after[-1].append(self.states.setdefault(after, len(todo)))
                    if self.after[-1][-1] == len(todo):
                        todo.append(after)
                        self.came.append((number, self.step))
        except Exception as wrong:
            steps = [*self._steps(len(self.after) - 1), self.step, *self.alone]
            what = f"{type(wrong).__name__}: {wrong}".splitlines()[0]
            raise Wrong("\n".join([*map(str, steps), what])) from wrong
        return self

    def orders(self) -> int:
        """How many ways lead from the start to an end."""
        waits = Counter(itertools.chain.from_iterable(self.after))
        ways = [1, *[0] * len(self.came)]
        ready, ends = [0], 0
        while ready:
            state = ready.pop()
            ends += 0 if self.after[state] else ways[state]
            for after in self.after[state]:
                ways[after] += ways[state]
                waits[after] -= 1
                if not waits[after]:
                    ready.append(after)
        return ends

    def _steps(self, state: int) -> list[Step]:
        """How the search came to `state`."""
        steps = []
        while state > 0:
            state, step = self.came[state - 1]
            steps.append(step)
        return steps[::-1]

    def _after(self, state: State) -> Iterator[State]:
        for place in state.alive:
            if self.places[place].request:
                for fate, objects, answer in self._fates(state, place):
                    yield from self._stepped(state, place, fate, objects, answer)
        for request in state.late:
            self.step = Step("", "a request that got no answer", request)
            objects, _ = self._served(state.objects, request)
            late = [*state.late]
            late.remove(request)
            yield state._replace(objects=objects, late=tuple(late))

    def _fates(self, state: State, place: int) -> Iterator[tuple[str, int, object]]:
        """What becomes of a driver's request. Without an answer it may have arrived, arrive later, or never."""
        driver, _, _, request = self.places[place]
        self.step = Step("", f"driver {driver}", request)
        objects, answer = self._served(state.objects, request)
        yield "", objects, answer
        if request[0] in WRITES and state.lost < self.losses:
            yield "gets no answer", state.objects, LOST
            twice, second = self._served(objects, request)
            if second != answer:
                yield "is sent twice, as botocore does", twice, second

    def _stepped(self, state: State, place: int, fate: str, objects: int, answer: object) -> Iterator[State]:
        driver, rest, answers, request = self.places[place]
        self.step = Step(fate, f"driver {driver}", request, answer)
        if (place, answer) not in self.went:
            self.went[place, answer] = self._place(driver, rest, (*answers, answer))
        went = self.went[place, answer]
        if not self.places[went].request and self.places[went].rest[0] == "done":
            self.settled(self.objects[objects])
        late = tuple(sorted((*state.late, request), key=repr)) if answer == LOST else state.late
        others = [other for other in state.alive if other != place]
        after = State(objects, tuple(sorted((*others, went))), late, state.started, state.lost + bool(fate))
        yield after
        if request[0] in WRITES and state.started < self.drivers:  # to be killed some reads later is the same
            self.step = Step(
                f"{fate}, is killed, and driver {state.started} starts", f"driver {driver}", request, answer
            )
            alive = tuple(sorted((*others, self._place(state.started))))
            yield after._replace(alive=alive, started=state.started + 1)

    def _served(self, objects: int, request: Request) -> tuple[int, object]:
        if (objects, request) not in self.answers:
            before = self.objects[objects]
            after, answer = served(before, request)
            self.seen(before, after)
            self.answers[objects, request] = self._objects(after), answer
        return self.answers[objects, request]

    def _objects(self, objects: Objects) -> int:
        key = frozenset(objects.items())
        if key not in self.numbers:
            self.numbers[key] = len(self.objects)
            self.objects.append(objects)
            self._end_alone(objects)
        return self.numbers[key]

    def _end_alone(self, objects: Objects) -> None:
        """If all drivers are killed now, one that starts comes to its end, and nothing is left to do."""

        def ask(request: Request):
            nonlocal objects
            before = objects
            objects, answer = served(before, request)
            self.alone.append(Step("", "one that starts alone", request, answer))
            self.seen(before, objects)
            return answer

        rest, self.alone = None, []
        while not rest or rest[0] not in ENDS:
            rest = self.drive(S3(Client(ask)), 9, rest)
        assert rest[0] == "done", f"one that starts alone is {rest[0]}"
        self.settled(objects, alone=True)
        self.alone = []

    def _place(self, driver: int, rest: tuple | None = None, answers: tuple = ()) -> int:
        known = (driver, repr(rest), repr(answers))
        if known not in self.numbers:
            client, request = Client(stop, answers), None
            try:
                if not rest or rest[0] not in ENDS:
                    return self.numbers.setdefault(known, self._place(driver, self.drive(S3(client), driver, rest)))
            except Asked as asked:
                (request,) = asked.args
            place = Place(driver, rest, tuple(client.answers), request)
            number = self.numbers.setdefault((driver, repr(rest), repr(place.answers)), len(self.places))
            self.numbers[known] = number
            if number == len(self.places):
                self.places.append(place)
        return self.numbers[known]


def stop(request: Request):
    raise Asked(request)
