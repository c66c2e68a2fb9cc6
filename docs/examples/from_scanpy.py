"""From an AnnData object with pseudotime to a fit, without writing a file.

`adata` stands for your own object: cells in rows, genes in columns, pseudotime in `obs`.
"""

import anndata
import numpy as np
import pandas as pd

from niwaki.core import Network, Trajectories, Trajectory
from niwaki.data import read_anndata
from niwaki.experiment import make_material

rng = np.random.default_rng(0)
cells, genes = 200, [f"gene{i}" for i in range(6)]
pseudotime = rng.random(cells)
level = 1 / (1 + np.exp(-6 * (pseudotime[:, None] - rng.random(len(genes)))))
adata = anndata.AnnData(
    X=np.clip(level + rng.normal(0, 0.05, level.shape), 0, None),
    obs=pd.DataFrame(
        {"dpt_pseudotime": pseudotime, "donor": rng.choice(["d1", "d2", "d3"], cells)},
        index=[f"cell{i}" for i in range(cells)],
    ),
    var=pd.DataFrame(index=genes),
)

# Noise of single cells would drown each step, so average neighbours along pseudotime.
bins = pd.cut(adata.obs["dpt_pseudotime"], np.linspace(0, 1, 13), labels=False)
table = pd.DataFrame(np.asarray(adata.X), columns=genes)
table["donor"] = adata.obs["donor"].to_numpy()
table["pseudotime"] = adata.obs["dpt_pseudotime"].to_numpy()
table["bin"] = bins.to_numpy()
binned = table.groupby(["donor", "bin"], as_index=False).mean()
print(binned.head())  # a table that niwaki fit reads as it is: binned.to_csv("binned.csv")

# The same as objects.
data = Trajectories(
    tuple(genes),
    tuple(
        Trajectory(donor, part["pseudotime"].to_numpy(), part[genes].to_numpy())
        for donor, part in binned.groupby("donor")
    ),
)
print(len(data), "trajectories,", len(data.pairs()), "pairs")
prior = Network.from_edges(["gene0", "gene1"], ["gene2", "gene3"])
material = make_material(data, prior=prior, label="binned cells")
# and then: niwaki.experiment.fit(material, out="run")

# Without binning, the reader takes the cells as they are and says what it assumed.
reading = read_anndata(adata, time_key="dpt_pseudotime", trajectory_key="donor")
print(reading.notes)
