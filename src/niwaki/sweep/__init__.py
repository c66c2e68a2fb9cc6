"""Benchmarks: many experiments against a known truth."""

from niwaki.sweep._methods import GRIDS as GRIDS
from niwaki.sweep._methods import METHODS as METHODS
from niwaki.sweep._methods import PUBLISHED as PUBLISHED
from niwaki.sweep._networks import GeneratedRow as GeneratedRow
from niwaki.sweep._networks import NetworksBenchmark as NetworksBenchmark
from niwaki.sweep._networks import NetworksSummary as NetworksSummary
from niwaki.sweep._networks import benchmark_networks as benchmark_networks
from niwaki.sweep._plan import SECTIONS as SECTIONS
from niwaki.sweep._plan import Job as Job
from niwaki.sweep._plan import plan_table as plan_table
from niwaki.sweep._reliability import ReliabilityRow as ReliabilityRow
from niwaki.sweep._render import write_table as write_table
from niwaki.sweep._rows import BenchmarkRow as BenchmarkRow
from niwaki.sweep._sim350 import NOISE_LEVELS as NOISE_LEVELS
from niwaki.sweep._sim350 import benchmark_sim350 as benchmark_sim350
from niwaki.sweep._table import TableProgress as TableProgress
from niwaki.sweep._table import TableRow as TableRow
from niwaki.sweep._table import collect_table as collect_table
from niwaki.sweep._table import run_table as run_table
