"""Benchmarks: many experiments against a known truth."""

from niwaki.sweep._methods import METHODS as METHODS
from niwaki.sweep._methods import PUBLISHED as PUBLISHED
from niwaki.sweep._moth import ConvergenceRow as ConvergenceRow
from niwaki.sweep._moth import MothRow as MothRow
from niwaki.sweep._moth import MothStudy as MothStudy
from niwaki.sweep._moth import benchmark_moth as benchmark_moth
from niwaki.sweep._moth import read_study as read_study
from niwaki.sweep._moth_plan import PUBLISHED_SPARSITIES as PUBLISHED_SPARSITIES
from niwaki.sweep._moth_plan import SPARSITIES as SPARSITIES
from niwaki.sweep._moth_plan import MothPlan as MothPlan
from niwaki.sweep._moth_train import Quirks as Quirks
from niwaki.sweep._moth_train import TrainPlan as TrainPlan
from niwaki.sweep._networks import GeneratedRow as GeneratedRow
from niwaki.sweep._networks import NetworksBenchmark as NetworksBenchmark
from niwaki.sweep._networks import NetworksSummary as NetworksSummary
from niwaki.sweep._networks import benchmark_networks as benchmark_networks
from niwaki.sweep._reliability import ReliabilityRow as ReliabilityRow
from niwaki.sweep._rows import BenchmarkRow as BenchmarkRow
from niwaki.sweep._sim350 import NOISE_LEVELS as NOISE_LEVELS
from niwaki.sweep._sim350 import benchmark_sim350 as benchmark_sim350
