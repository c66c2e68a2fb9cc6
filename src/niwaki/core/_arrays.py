"""Shape aliases for NumPy arrays; the axis vocabulary of the whole package.

Axes: ``gene``, ``regulator``, ``target``, ``hidden``, ``time``, ``pair``, ``edge``.
Matrices between genes are ``[target, regulator]``, as torch weights are ``[out, in]``.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

TimesArray = Float[np.ndarray, " time"]
ValuesArray = Float[np.ndarray, "time gene"]
GeneVector = Float[np.ndarray, " gene"]
PairVector = Float[np.ndarray, " pair"]
PairIndex = Int[np.ndarray, " pair"]
StateArray = Float[np.ndarray, "gene pair"]
EdgeIndex = Int[np.ndarray, " edge"]
EdgeVector = Float[np.ndarray, " edge"]
EdgeMask = Bool[np.ndarray, " edge"]
