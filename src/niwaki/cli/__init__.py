"""The command line: argument parsing only."""

from niwaki.cli import _attribute as _attribute
from niwaki.cli import _benchmark as _benchmark
from niwaki.cli import _data as _data
from niwaki.cli import _demo as _demo
from niwaki.cli import _distill as _distill
from niwaki.cli import _doctor as _doctor
from niwaki.cli import _evaluate as _evaluate
from niwaki.cli import _export as _export
from niwaki.cli import _fit as _fit
from niwaki.cli import _motifs as _motifs
from niwaki.cli import _predict as _predict
from niwaki.cli import _report as _report
from niwaki.cli import _simulate as _simulate
from niwaki.cli._main import main as main
from niwaki.cli._main import run as run
