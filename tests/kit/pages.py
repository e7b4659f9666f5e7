"""The commands of a page of documentation, as a shell would come to run them."""

import re
import shlex
from pathlib import Path
from string import Template

from emr.account import VALUES, variable

FOLDER = Path(__file__).parents[2] / "emr"
# What AWS or `python -m emr` would answer, where a command's answer goes into a variable.
ANSWERS = {variable(name): value.placeholder for name, value in VALUES.items()}


def page(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text()


def commands(text: str) -> list[tuple[str, dict[str, str]]]:
    """The lines of the page's shell blocks, in order, each with the variables that were exported before it."""
    found, known = [], {}
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            line = Template(line).safe_substitute(known)
            answered = re.fullmatch(r"export ([A-Z_]+)=\$\((.*?)( \| .*)?\)", line)
            if answered:
                name, line = answered[1], answered[2]
                found.append((line, known))
                known = known | {name: ANSWERS.get(name, name.lower())}
            elif line.startswith("export "):
                known = known | dict(word.split("=", 1) for word in shlex.split(line)[1:])
            else:
                found.append((line, known))
    return found
