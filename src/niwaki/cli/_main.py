"""The application and its one way of ending with an error."""

import os
import sys
from typing import Any

import typer

from niwaki import __version__
from niwaki.core import InputError, NiwakiError

# Typer has carried its own copy of click since 0.26, so its errors are found by way of Typer.
_USAGE_ERROR: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

app = typer.Typer(
    name="niwaki",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help=(
        "Train a model of gene regulation along what is known, prune it until its structure "
        "shows, and say how sure that is.\n\n"
        "Start with `niwaki demo`; then `niwaki doctor DATA --prior PRIOR` and "
        "`niwaki fit DATA --prior PRIOR` on your own files."
    ),
)


def _version(asked: bool) -> bool:
    if asked:
        print(f"niwaki {__version__}")
        raise typer.Exit
    return asked


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and stop."
    ),
) -> None:
    pass


_INTERRUPTED = 130  # what a shell reports of a command that Ctrl-C ended


def main() -> None:
    """Run the command line and exit: 0 done, 1 it ran and failed, 2 bad input."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that the terminal cannot show is no error
            stream.reconfigure(errors="backslashreplace")
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_output()
    except OSError as error:
        _forget_output()
        code = _fail(f"the output could not be written ({error.strerror}).", 1)
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; errors are one sentence on standard error."""
    try:
        code = app(arguments, standalone_mode=False, prog_name="niwaki")
    except _USAGE_ERROR as error:
        return _usage(error)
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except BrokenPipeError:  # the reader of our output, such as head, has left
        _forget_output()
        return 0
    except (NiwakiError, OSError, MemoryError, RuntimeError) as error:
        return _explain(error)
    if code == _INTERRUPTED:  # typer turns the interrupt into this code, without a word
        return _fail("interrupted; continue a fit with niwaki fit --resume RUN.", code)
    return code if isinstance(code, int) else 0


def _explain(error: Exception) -> int:
    """Say what went wrong; anything else than these kinds is a mistake of ours, and is raised."""
    if isinstance(error, NiwakiError):
        return _fail(str(error), 2 if isinstance(error, InputError) else 1)
    if isinstance(error, OSError):
        what = error.filename or "a file or the output"
        return _fail(f"{what} could not be read or written ({error.strerror or error}).", 1)
    if isinstance(error, RuntimeError) and "alloc" not in str(error):  # torch's lack of memory
        raise error
    return _fail(
        "the machine ran out of memory; niwaki doctor estimates what a fit needs, and fewer genes "
        "or --hidden units need less.",
        1,
    )


def _usage(error: Any) -> int:
    """Say what is wrong with a command line, in one sentence; without any arguments, show help."""
    path = error.ctx.command_path if getattr(error, "ctx", None) else "niwaki"
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.format_message())
        return 2
    return _fail(f"{error.format_message().rstrip('.')}; see {path} --help.", 2)


def _forget_output() -> None:
    """Send what is still to be printed nowhere, so that closing fails no more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(text: str, code: int) -> int:
    print(f"niwaki: error: {text}", file=sys.stderr)
    return code
