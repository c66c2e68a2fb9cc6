"""Fields (right-hand sides of the ODE), the batched solver, losses and training."""

from niwaki.dynamics._exponential import Exponential as Exponential
from niwaki.dynamics._field import DecayField as DecayField
from niwaki.dynamics._field import Field as Field
from niwaki.dynamics._field import ModuleField as ModuleField
from niwaki.dynamics._loss import PriorTerm as PriorTerm
from niwaki.dynamics._loss import data_loss as data_loss
from niwaki.dynamics._mlp import MlpField as MlpField
from niwaki.dynamics._phoenix import PhoenixField as PhoenixField
from niwaki.dynamics._runge_kutta import DormandPrince as DormandPrince
from niwaki.dynamics._runge_kutta import RungeKutta4 as RungeKutta4
from niwaki.dynamics._solve import METHODS as METHODS
from niwaki.dynamics._solve import Method as Method
from niwaki.dynamics._solve import audit as audit
from niwaki.dynamics._solve import make_method as make_method
from niwaki.dynamics._solve import solve as solve
from niwaki.dynamics._train import Optimisation as Optimisation
from niwaki.dynamics._train import PairTensors as PairTensors
from niwaki.dynamics._train import Training as Training
from niwaki.dynamics._train import make_batches as make_batches
from niwaki.dynamics._train import pair_losses as pair_losses
from niwaki.dynamics._train import train_epoch as train_epoch
