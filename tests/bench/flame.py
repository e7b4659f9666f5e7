"""Stacks of the JVM's flight recorder as a flame graph: one SVG that any browser shows."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 1600, 16  # of the picture, and of a frame
NARROWEST = 0.5
LETTER = 6.5
COLOURS = ("#e8743b", "#ed9a4a", "#f2b35c", "#e2604a")
Stack = tuple[str, ...]
# What a frame works at, by a word of its name.
KINDS = {
    "kafka": "reading Kafka",
    "jackson": "parsing JSON",
    "parquet": "writing Parquet",
    "regex": "regular expressions",
    "generatedclass": "other expressions, copies of rows",
}
REST = "the rest"


class Box(NamedTuple):
    name: str
    depth: int
    left: int  # in samples, as is `samples`
    samples: int


def stacks(printed: str, thread: str = "Executor task launch worker") -> Counter[Stack]:
    """How often each stack was seen in threads of that name, from `jfr print`; its first frame is the outermost."""
    found: Counter[Stack] = Counter()
    for event in printed.split("jdk.ExecutionSample {")[1:]:
        frames = re.search(r"stackTrace = \[\n(.*?)\n\s*\]", event, re.DOTALL)
        if frames and f'sampledThread = "{thread}' in event:
            lines = (line.strip() for line in frames[1].splitlines())
            found[tuple(line.partition("(")[0] for line in lines if "(" in line)[::-1]] += 1
    return found


def kinds(found: Counter[Stack]) -> Counter[str]:
    """How many samples were of each kind of work: what the innermost frame that tells says."""
    counted: Counter[str] = Counter()
    for stack, samples in found.items():
        told = (kind for frame in reversed(stack) for word, kind in KINDS.items() if word in frame.lower())
        counted[next(told, REST)] += samples
    return counted


def boxes(found: Iterable[tuple[Stack, int]], depth: int = 0, left: int = 0) -> Iterable[Box]:
    """Frames above one another, those with the same stack below them in one box."""
    groups: dict[str, list[tuple[Stack, int]]] = {}
    for stack, samples in found:
        if len(stack) > depth:
            groups.setdefault(stack[depth], []).append((stack, samples))
    for name in sorted(groups):
        samples = sum(number for _, number in groups[name])
        yield Box(name, depth, left, samples)
        yield from boxes(groups[name], depth + 1, left)
        left += samples


def svg(found: Counter[Stack]) -> str:
    scale, height = WIDTH / found.total(), HEIGHT * max(map(len, found))
    shown = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="monospace" '
             'font-size="11">']  # fmt: skip
    for name, depth, left, samples in boxes(found.items()):
        x, y, width = left * scale, height - HEIGHT * (depth + 1), samples * scale
        if width < NARROWEST:
            continue
        text = escape(short_name(name)[: int(width / LETTER)])
        colour = COLOURS[sum(map(ord, name)) % len(COLOURS)]
        shown.append(f"<g><title>{escape(name)}: {samples / found.total():.1%}</title>"
                     f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{HEIGHT - 1}" fill="{colour}"/>'
                     f'<text x="{x + 2:.1f}" y="{y + 12}" pointer-events="none">{text}</text></g>')  # fmt: skip
    return "\n".join([*shown, "</svg>\n"])


def short_name(frame: str) -> str:
    """Class and method."""
    return ".".join(frame.split(".")[-2:])
