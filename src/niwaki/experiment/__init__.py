"""From a configuration to objects to a run folder; the only package that composes."""

from niwaki.experiment._arm import Progress as Progress
from niwaki.experiment._config import FitConfig as FitConfig
from niwaki.experiment._config import Inputs as Inputs
from niwaki.experiment._config import load_config as load_config
from niwaki.experiment._config import make_config as make_config
from niwaki.experiment._config import make_inputs as make_inputs
from niwaki.experiment._demo import write_edges as write_edges
from niwaki.experiment._demo import write_example as write_example
from niwaki.experiment._doctor import Diagnosis as Diagnosis
from niwaki.experiment._doctor import diagnose as diagnose
from niwaki.experiment._evaluate import evaluate as evaluate
from niwaki.experiment._fit import fit as fit
from niwaki.experiment._fit import resume as resume
from niwaki.experiment._folder import check_free as check_free
from niwaki.experiment._folder import open_run as open_run
from niwaki.experiment._material import Aligned as Aligned
from niwaki.experiment._material import Material as Material
from niwaki.experiment._material import make_material as make_material
from niwaki.experiment._material import read_aligned as read_aligned
from niwaki.experiment._material import read_material as read_material
from niwaki.experiment._predict import FittedModel as FittedModel
from niwaki.experiment._predict import load_model as load_model
from niwaki.experiment._predict import predict as predict
from niwaki.experiment._rounds import ArmRun as ArmRun
from niwaki.experiment._rounds import run_rounds as run_rounds
from niwaki.experiment._scoring import shuffled_prior as shuffled_prior
