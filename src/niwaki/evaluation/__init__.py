"""Scores of networks and forecasts, and the baselines to hold them against."""

from niwaki.evaluation._baselines import LinearOde as LinearOde
from niwaki.evaluation._baselines import mean_at_t as mean_at_t
from niwaki.evaluation._baselines import persistence as persistence
from niwaki.evaluation._baselines import ridge_linear_ode as ridge_linear_ode
from niwaki.evaluation._edges import assayed_regulators as assayed_regulators
from niwaki.evaluation._edges import score_network as score_network
from niwaki.evaluation._edges import strongest as strongest
from niwaki.evaluation._forecast import Predictor as Predictor
from niwaki.evaluation._forecast import pair_errors as pair_errors
from niwaki.evaluation._forecast import rollout as rollout
from niwaki.evaluation._forecast import rollout_errors as rollout_errors
from niwaki.evaluation._forecast import score_forecast as score_forecast
