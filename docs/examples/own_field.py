"""A field of your own: any module with two linear layers, genes to hidden units to genes."""

import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

from niwaki import experiment


class Saturating(nn.Module):
    """``dx/dt = C tanh(W x + b) - x``: bounded production and plain decay."""

    def __init__(self, genes: int, hidden: int) -> None:
        super().__init__()
        self.first = nn.Linear(genes, hidden)
        self.output = nn.Linear(hidden, genes, bias=False)

    def forward(self, state: Tensor) -> Tensor:
        """Return the rate of change of states [pair, gene], in the same shape."""
        return self.output(torch.tanh(self.first(state))) - state


with tempfile.TemporaryDirectory() as place:
    inputs = experiment.write_example(Path(place) / "data", genes=20, trajectories=10)
    material = experiment.read_material(inputs)

    with torch.random.fork_rng():  # the start weights are yours, so their seed is too
        torch.random.default_generator.manual_seed(7)
        module = Saturating(len(material.data.genes), hidden=12)

    config = experiment.FitConfig(epochs=12, batch=32, first_prune=2, period=2, controls=False)
    run = Path(place) / "run"
    record = experiment.fit(material, config, out=run, inputs=inputs, module=module)
    print(record.field, "ended with", record.edges_total, "edges")

    # The module is code, not data: give it again to load the trained weights into a copy of it.
    model = experiment.load_model(run, module)
    predicted = experiment.predict(model, material.test)
    print(len(predicted), "trajectories predicted")
