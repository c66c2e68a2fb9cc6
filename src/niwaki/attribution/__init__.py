"""Exact attributions in one pass where they exist, and the checks that say where."""

from niwaki.attribution._gradient import gradient as gradient
from niwaki.attribution._gradient import xgrad as xgrad
from niwaki.attribution._homogeneity import HomogeneityReport as HomogeneityReport
from niwaki.attribution._homogeneity import homogeneity_report as homogeneity_report
from niwaki.attribution._integrated import expected_gradients as expected_gradients
from niwaki.attribution._integrated import integrated_gradients as integrated_gradients
from niwaki.attribution._result import Attribution as Attribution
from niwaki.attribution._result import completeness_gap as completeness_gap
from niwaki.attribution._priors import gini as gini
from niwaki.attribution._priors import gini_prior as gini_prior
from niwaki.attribution._priors import graph_prior as graph_prior
from niwaki.attribution._priors import l1_prior as l1_prior
from niwaki.attribution._priors import l2_prior as l2_prior
from niwaki.attribution._priors import mask_prior as mask_prior
from niwaki.attribution._priors import mean_size as mean_size
from niwaki.attribution._priors import mixed_prior as mixed_prior
from niwaki.attribution._priors import total_variation_prior as total_variation_prior
