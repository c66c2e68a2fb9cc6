"""Write docs/reference/cli.md from the command line itself: python docs/reference/make_cli.py."""

from pathlib import Path
from typing import Any, get_args, get_type_hints

import typer

from niwaki.cli._main import app

PAGE = Path(__file__).with_name("cli.md")
ORDER = (
    "demo",
    "doctor",
    "fit",
    "evaluate",
    "predict",
    "attribute",
    "report",
    "export",
    "simulate",
    "data",
    "benchmark",
)
INTRODUCTION = """# Command line

`python docs/reference/make_cli.py` writes this page from the program itself, and a test keeps it up
to date. `niwaki COMMAND --help` shows the same text.

Every command ends with exit code 0 (done), 1 (it ran and failed: the training diverged, the disk is
full), 2 (the input cannot be used) or 130 (interrupted with Ctrl-C), and prints an error as one
sentence on standard error. With `--json` it prints one JSON document on standard output, in which a
number that is not finite is `null`. Options without a default here have the one that
[choose settings](../how-to/choose-settings.md) gives.
"""


def page() -> str:
    """Return the page as Markdown."""
    root: Any = typer.main.get_command(app)
    names = [*ORDER, *sorted(set(root.commands) - set(ORDER))]
    parts = [_command(name, root.commands[name]) for name in names if name in root.commands]
    return "\n".join([INTRODUCTION, _options(root), *parts])


def _command(name: str, command: Any) -> str:
    if hasattr(command, "commands"):
        inner = [_command(f"{name} {part}", command.commands[part]) for part in command.commands]
        return "\n".join([f"## niwaki {name}", "", " ".join(command.help.split()), "", *inner])
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = ["niwaki", name, *(a.metavar or a.name.upper() for a in arguments), "[OPTIONS]"]
    lines = [f"## niwaki {name}", "", " ".join(command.help.split()), ""]
    lines += ["```text", " ".join(usage), "```", ""]
    lines += [f"- `{a.metavar or a.name.upper()}`: {a.help}" for a in arguments]
    lines += [""] if arguments else []
    lines += [f"{command.epilog.replace('Example: ', 'Example: `')}`", "", _options(command)]
    return "\n".join(lines)


def _options(command: Any) -> str:
    kinds = get_type_hints(command.callback)
    rows = ["| option | value | default | meaning |", "|---|---|---|---|"]
    for option in command.params:
        if option.param_type_name != "option":
            continue
        names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
        kind = "" if option.is_flag else _kind(kinds[option.name])
        shown = option.default is not None and not option.is_flag
        default = f"`{option.default}`" if shown else ""
        rows.append(f"| {names} | {kind} | {default} | {option.help} |")
    return "\n".join(rows) + "\n"


def _kind(hint: Any) -> str:
    """Return what a value is, in a word."""
    inner = [part for part in get_args(hint) if part is not type(None)] or [hint]
    words = {int: "whole number", float: "number", Path: "path", str: "text"}
    return words.get(
        inner[0], "text, repeatable" if "str" in str(inner[0]) else "number, repeatable"
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
