"""Sub-commands of ``niwaki benchmark``, one per benchmark."""

from niwaki.cli._benchmark import _distill as _distill
from niwaki.cli._benchmark import _moth as _moth
from niwaki.cli._benchmark import _networks as _networks
from niwaki.cli._benchmark import _sim350 as _sim350
