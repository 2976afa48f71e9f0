"""Pages of the command reference, made from the commands' own help."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cyclopts import App

from voiceface.cli.app import COMMANDS, make_app
from voiceface.components import component_names

_OPTION = re.compile(r"^\* `(.+?)`(?:: (.*))?$")
_CHOICES = re.compile(r" \*\[choices: (.*?)\]\*")
_DEFAULT = re.compile(r" \*\[default: (.*?)\]\*")
_FILES = re.compile(r"(?:\[|--|\b[A-Z]{2,}).*")
_REQUIRED = " **[required]**"
_COLUMNS = re.compile(r"^\S+ {2,}\S", re.MULTILINE)
"""A component's card: ``Paper   ...``."""
_RECIPE = (
    "Cross-validate a recipe over people. Its own options come beside these: [train](train.md) lists them."
)


@dataclass(frozen=True)
class Help:
    """The help of one command in Markdown."""

    usage: str
    description: str
    groups: dict[str, str]
    """Options and arguments, by the heading of their group."""


def command_names() -> list[str]:
    """Every command as it is typed."""
    return [name.replace("_", "-") for name in component_names(COMMANDS)]


def command_page(name: str) -> str:
    """The page of a command with all commands below it."""
    command = make_app([name])[name]
    below = [part for part in command if not part.startswith("-")]
    heading = f"# voiceface {name}"
    if not below:
        return _section(heading, command_help(command, name))
    found = {
        part: command_help(make_app([name, part])[name][part], name, part)
        for part in below
        if name != "evaluate" or part not in component_names("voiceface.recipes")
    }
    shared = _shared(list(found.values()))
    sections = [heading, _paragraphs(str(command.help or ""))]
    if shared:
        sections += ["## Options of all", *shared.values()]
    if name == "evaluate":
        recipe = command_help(make_app([name, "matcher"])[name]["matcher"], name, "RECIPE")
        groups = {
            title: options for title, options in recipe.groups.items() if not title.startswith("Options of")
        }
        found["RECIPE"] = Help(recipe.usage, _RECIPE, groups)
    for part, one in found.items():
        own = {title: options for title, options in one.groups.items() if title not in shared}
        sections.append(_section(f"## {part} {{ #{part} }}", Help(one.usage, one.description, own)))
    return "\n\n".join(sections)


def command_help(command: App, *names: str) -> Help:
    """What ``voiceface NAMES --help`` says."""
    _, _, text = command.generate_docs(output_format="markdown").partition("\n")
    usage, _, rest = text.strip().partition("\n\n")
    head, mark, tail = rest.partition("\n**")
    files = _FILES.search(usage.splitlines()[1])  # after the name of whatever program asks for the help
    typed = " ".join(["voiceface", *names, *([files[0]] if files else [])])
    groups = {}
    for group in (mark + tail).split("\n**")[1:]:
        title, _, options = group.partition("**:")
        rows = [row for line in options.splitlines() if (row := _row(line))]
        groups[title] = "\n".join([f"**{title}**", "", *rows])
    return Help(typed, _paragraphs(head), groups)


def _shared(found: list[Help]) -> dict[str, str]:
    """The groups that are the same for all."""
    first, *others = found
    return {
        title: options
        for title, options in first.groups.items()
        if others and all(one.groups.get(title) == options for one in others)
    }


def _section(heading: str, found: Help) -> str:
    return "\n\n".join([heading, f"```sh\n{found.usage}\n```", found.description, *found.groups.values()])


def _row(line: str) -> str:
    """A line of an option, with its choices and default in words."""
    found = _OPTION.match(line)
    if found is None:
        return ""
    text = found[2] or ""
    default, choices = _DEFAULT.search(text), _CHOICES.search(text)
    told = _DEFAULT.sub("", _CHOICES.sub("", text)).replace(_REQUIRED, "")
    if choices:
        told += ": " + ", ".join(f"`{one}`" for one in choices[1].split(", "))
    if _REQUIRED in text:
        told += " (required)"
    elif default and default[1] not in ("()", '""'):
        told += f" (default `{default[1]}`)"
    return f"- `{found[1]}`: {told}"


def _paragraphs(text: str) -> str:
    return "\n\n".join(map(_paragraph, text.strip().split("\n\n")))


def _paragraph(text: str) -> str:
    """A paragraph of a help text: command lines and a component's card keep their lines."""
    if all(line.startswith(("voiceface ", " ")) for line in text.splitlines()) and text.strip():
        return f"```sh\n{text}\n```"
    return f"```text\n{text}\n```" if _COLUMNS.search(text) else text
