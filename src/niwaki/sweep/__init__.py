"""Benchmarks: many experiments against a known truth."""

from niwaki.sweep._distill import DISTILL_TASKS as DISTILL_TASKS
from niwaki.sweep._distill import DistillBenchmarkRow as DistillBenchmarkRow
from niwaki.sweep._distill import benchmark_distill as benchmark_distill
from niwaki.sweep._methods import METHODS as METHODS
from niwaki.sweep._methods import PUBLISHED as PUBLISHED
from niwaki.sweep._networks import GeneratedRow as GeneratedRow
from niwaki.sweep._networks import NetworksBenchmark as NetworksBenchmark
from niwaki.sweep._networks import NetworksSummary as NetworksSummary
from niwaki.sweep._networks import benchmark_networks as benchmark_networks
from niwaki.sweep._reliability import ReliabilityRow as ReliabilityRow
from niwaki.sweep._rows import BenchmarkRow as BenchmarkRow
from niwaki.sweep._sim350 import NOISE_LEVELS as NOISE_LEVELS
from niwaki.sweep._sim350 import benchmark_sim350 as benchmark_sim350
