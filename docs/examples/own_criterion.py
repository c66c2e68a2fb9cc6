"""A pruning criterion of your own, tried on one chain of layers.

It scores a first-layer weight by its size, and lifts the weights of genes that the prior names as
regulators. A criterion is a function; nothing else of Niwaki has to change to try it.
"""

import numpy as np
import torch
from torch import Tensor

from niwaki.core import Network
from niwaki.knowledge import Knowledge, knowledge_from
from niwaki.pruning import Chain, Criterion, OneShot, ScoreOptions, Scores, prune_chain


def regulators_first(
    chain: Chain,
    knowledge: Knowledge | None,
    *,
    options: ScoreOptions,
    state: Tensor | None,
    rng: np.random.Generator,
) -> Scores:
    """Score weights by size; with lambda 1, only genes that the prior names as regulators count."""
    first, output = chain.living_first().abs(), chain.living_output().abs()
    named = torch.ones(first.shape[1], dtype=torch.float64)
    if knowledge is not None:
        out_degree = np.asarray(knowledge.prior.sum(axis=0)).ravel()  # prior is [target, regulator]
        named = torch.from_numpy((out_degree > 0).astype(np.float64))
    weight = options.lambda_ppi
    return Scores(
        first=first * (1 - weight + weight * named),
        output=output * chain.scale()[:, None],
        first_ties=first,
        output_ties=output,
    )


assert isinstance(regulators_first, Criterion)

# Three genes; the prior knows one edge, from A to B.
genes = ("A", "B", "C")
prior = Network.from_edges(["A"], ["B"], genes=genes)
knowledge, _ = knowledge_from(prior)

generator = torch.Generator().manual_seed(0)
first, output = (torch.randn(shape, generator=generator) for shape in ((4, 3), (3, 4)))
chain = Chain("example", first, output, torch.ones(4, 3).bool(), torch.ones(3, 4).bool())

scores = regulators_first(
    chain,
    knowledge,
    options=ScoreOptions(lambda_ppi=1.0),
    state=None,
    rng=np.random.default_rng(0),
)
pruned = prune_chain(chain, scores, schedule=OneShot(epoch=1, sparsity=2 / 3), epoch=1)
print("survivors per gene:", dict(zip(genes, pruned.first_mask.sum(0).tolist(), strict=True)))
assert pruned.first_mask[:, 0].all()  # four of twelve weights survive: those of regulator A
assert not pruned.first_mask[:, 1:].any()
