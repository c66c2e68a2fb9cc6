"""The command line: argument parsing only."""

from niwaki.cli._main import main as main
