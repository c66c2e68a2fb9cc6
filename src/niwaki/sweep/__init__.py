"""Benchmarks: many experiments against a known truth."""

from niwaki.sweep._methods import METHODS as METHODS
from niwaki.sweep._methods import PUBLISHED as PUBLISHED
from niwaki.sweep._rows import BenchmarkRow as BenchmarkRow
from niwaki.sweep._sim350 import NOISE_LEVELS as NOISE_LEVELS
from niwaki.sweep._sim350 import benchmark_sim350 as benchmark_sim350
