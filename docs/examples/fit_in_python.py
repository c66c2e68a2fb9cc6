"""The main job in Python: simulate a small study, fit it, read the result, predict.

The settings are small, so that the script ends in seconds; leave `config` out for a real fit.
"""

import tempfile
from pathlib import Path

import pandas as pd

from niwaki import experiment
from niwaki.report import headline, write_report

with tempfile.TemporaryDirectory() as place:
    folder = Path(place)

    # Files of a simulated study; for your own, write
    # inputs = experiment.Inputs(data="expression.csv", prior="prior.tsv")
    inputs = experiment.write_example(folder / "data", genes=20, trajectories=10)
    material = experiment.read_material(inputs)

    config = experiment.FitConfig(passes=2, members=10)
    for note in experiment.diagnose(material, config).notes:
        print("note:", note)

    run = folder / "run"
    record = experiment.fit(material, config, out=run, inputs=inputs)
    page = write_report(run)
    for sentence in headline(record):
        print(sentence)

    # The record holds what the report shows, as plain numbers.
    for arm in record.arms:
        print(arm.method, "ended with", arm.edges, "edges, held-out loss", arm.held_out_loss)

    # What was learned of the prior, and what became of its edges.
    if record.evidence is not None:  # None for a field that is trained
        print("share of the prior's edges held true:", record.evidence.prior_trust)
        print(record.evidence.refuted, "refuted,", record.evidence.untested, "untested")

    # The network is a table; missing prior weights are empty cells.
    network = pd.read_csv(run / "network.tsv", sep="\t")
    added = network[network["status"] == "added"]
    print(added[["source", "target", "weight", "probability", "stability"]].head())

    # Predict from the first observation of every test trajectory.
    model = experiment.load_model(run)
    predicted = experiment.predict(model, material.test, times=[0, 1, 2, 4])
    print(predicted.items[0].name, predicted.items[0].values.shape)

    for row in experiment.evaluate(run, reference=inputs.reference, scope="all"):
        print(row.method, "F1", row.f1)
