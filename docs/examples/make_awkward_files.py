"""Write two files as people really have them: expression with an odd header, a careless prior.

Run it with the folder to write to: python docs/examples/make_awkward_files.py my-study
Without one it writes to a temporary folder.
"""

import csv
import sys
import tempfile
from pathlib import Path

from niwaki.data import read_expression
from niwaki.experiment import write_example
from niwaki.knowledge import read_network

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)

# A small simulated study stands in for the experiment.
with tempfile.TemporaryDirectory() as place:
    inputs = write_example(Path(place), genes=60, trajectories=24, moved=0.1, seed=3)
    expression = read_expression(inputs.data).trajectories
    prior = read_network(inputs.prior).network
    (folder / "chip.tsv").write_bytes(Path(inputs.reference).read_bytes())

# Long form, semicolons, times with a unit, a header that no program expects.
with (folder / "measurements.csv").open("w", newline="") as handle:
    handle.write("# exported from the plate reader\n")
    writer = csv.writer(handle, delimiter=";")
    writer.writerow(["Gene_ID", "after shift", "flask", "expr"])
    for number, flask in enumerate(expression.items, start=1):
        for time, values in zip(flask.times, flask.values, strict=True):
            for gene, value in zip(expression.genes, values, strict=True):
                writer.writerow([gene, f"{time:g} h", f"F{number}", f"{value:.4f}"])

# The target stands first, there is no header, and some names carry a version number.
with (folder / "suspects.tsv").open("w", newline="") as handle:
    writer = csv.writer(handle, delimiter="\t")
    for edge, (source, target) in enumerate(zip(prior.source, prior.target, strict=True)):
        version = ".2" if edge % 10 == 0 else ""
        writer.writerow([prior.genes[target] + version, prior.genes[source], 1])

print(f"wrote measurements.csv, suspects.tsv and chip.tsv to {folder}")
