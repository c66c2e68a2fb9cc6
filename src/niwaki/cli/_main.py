"""The application and its one way of ending with an error."""

import sys

import click
import typer

from niwaki import __version__
from niwaki.core import InputError, NiwakiError

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


def _version(asked: bool) -> None:
    if asked:
        print(f"niwaki {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and stop."
    ),
) -> None:
    pass


def main() -> None:
    """Run the command line and exit: 0 done, 1 it ran and failed, 2 bad input."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; errors are one sentence on standard error."""
    try:
        code = app(arguments, standalone_mode=False, prog_name="niwaki")
    except click.ClickException as error:
        error.show()
        return 2
    except NiwakiError as error:
        return _fail(str(error), 2 if isinstance(error, InputError) else 1)
    except MemoryError:
        return _fail(
            "the machine ran out of memory; niwaki doctor estimates what a fit needs, and fewer "
            "genes or --hidden units need less.",
            1,
        )
    except (KeyboardInterrupt, click.Abort):
        return _fail("interrupted; what was saved so far is intact.", 130)
    except BrokenPipeError:  # the reader of our output, such as head, has left
        sys.stderr.close()
        return 0
    return code if isinstance(code, int) else 0


def _fail(text: str, code: int) -> int:
    print(f"niwaki: error: {text[:1].upper()}{text[1:]}", file=sys.stderr)
    return code
