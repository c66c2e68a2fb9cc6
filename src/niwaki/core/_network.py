"""A directed gene network as an edge list: the shape of priors, references and results."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Num
from scipy import sparse

from niwaki.core._arrays import EdgeIndex, EdgeMask, EdgeVector
from niwaki.core._errors import InputError


@dataclass(frozen=True)
class Network:
    """Edges from regulators (sources) to targets among named genes.

    Edges are kept as index lists, so that 20,000 genes never ask for a dense matrix.

    Attributes
    ----------
    genes
        Gene names; `source` and `target` count into them.
    source, target
        Regulator and target of each edge.
    weight
        Strength of each edge (any unit); its sign is meaningful only if `signed`.
    signed
        Whether the source of the network states activation and repression.
    """

    genes: tuple[str, ...]
    source: EdgeIndex
    target: EdgeIndex
    weight: EdgeVector
    signed: bool = False

    def __post_init__(self) -> None:
        if not len(self.source) == len(self.target) == len(self.weight):
            raise InputError("a network needs one source, one target and one weight per edge.")
        if len(self.source) == 0:
            return
        low = min(self.source.min(), self.target.min())
        high = max(self.source.max(), self.target.max())
        if low < 0 or high >= len(self.genes):
            raise InputError(f"an edge points outside the {len(self.genes)} genes of the network.")
        if not np.isfinite(self.weight).all():
            raise InputError("an edge has a missing or infinite weight; give a number or drop it.")
        keys = np.sort(self.keys())  # np.unique hashes, which takes ten times as long for millions
        if (keys[1:] == keys[:-1]).any():
            raise InputError("an edge stands twice in the network; merge the copies first.")

    def __len__(self) -> int:
        return int(self.source.shape[0])

    def keys(self) -> EdgeIndex:
        """Return one integer per edge, ``target * genes + source``, equal for equal edges."""
        return self.target.astype(np.int64) * len(self.genes) + self.source.astype(np.int64)

    def regulators(self) -> EdgeIndex:
        """Return the indices of genes with at least one target, in increasing order."""
        return np.unique(self.source).astype(np.int64)

    def where(self, keep: EdgeMask) -> "Network":
        """Return the network of the edges that `keep` marks."""
        return replace(
            self, source=self.source[keep], target=self.target[keep], weight=self.weight[keep]
        )

    def to_sparse(self) -> sparse.csr_array:
        """Return the weights as a sparse matrix ``[target, regulator]``."""
        shape = (len(self.genes), len(self.genes))
        return sparse.csr_array((self.weight, (self.target, self.source)), shape=shape)

    @classmethod
    def from_matrix(
        cls,
        matrix: Num[np.ndarray, "target regulator"] | sparse.csr_array,
        genes: Sequence[str],
        *,
        signed: bool = False,
    ) -> "Network":
        """Return the network of the non-zero entries of a ``[target, regulator]`` matrix."""
        entries = sparse.csr_array(matrix).tocoo()
        entries.sum_duplicates()
        entries.eliminate_zeros()
        target, source = entries.coords
        return cls(
            tuple(genes),
            source.astype(np.int64),
            target.astype(np.int64),
            entries.data.astype(np.float64),
            signed,
        )

    @classmethod
    def from_edges(
        cls,
        source: Sequence[str],
        target: Sequence[str],
        *,
        weight: Sequence[float] | EdgeVector | None = None,
        genes: Sequence[str] | None = None,
        signed: bool = False,
    ) -> "Network":
        """Return a network from names; without `genes`, the names met, in sorted order."""
        names = tuple(genes) if genes is not None else tuple(sorted({*source, *target}))
        place = {gene: i for i, gene in enumerate(names)}
        return cls(
            names,
            np.array([place[g] for g in source], dtype=np.int64),
            np.array([place[g] for g in target], dtype=np.int64),
            np.ones(len(source)) if weight is None else np.asarray(weight, dtype=np.float64),
            signed,
        )
