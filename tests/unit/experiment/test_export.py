import json

import anndata
import numpy as np
import pandas as pd
import pytest
from unit.experiment.study import chain_network, small, wave

from niwaki.core import ConfigError, RunFolderError, StorageError
from niwaki.experiment import Inputs, export, fit, load_model, make_material, read_material
from niwaki.experiment._network import read_out


def matrix(run):
    model = load_model(run)
    return read_out(model.field, model.masks, model.genes, limit=None).network.to_sparse().toarray()


def test_anndata_holds_data_and_network(finished, material, tmp_path):
    found = anndata.read_h5ad(export(finished, tmp_path / "x.h5ad"))
    np.testing.assert_array_equal(found.X, material.data.stack())
    assert tuple(found.var_names) == material.data.genes
    assert found.obs["time"].tolist()[:2] == material.data.items[0].times[:2].tolist()
    # the table holds six digits of each weight
    np.testing.assert_allclose(found.varp["niwaki"].toarray(), matrix(finished), rtol=1e-5)
    assert found.uns["niwaki"]["criterion"] == "dash"


def test_an_object_of_ones_own_is_kept_and_added_to(tmp_path):
    data = wave()
    obs = pd.DataFrame(
        {
            "time": np.concatenate([t.times for t in data.items]),
            "donor": [t.name for t in data.items for _ in t.times],
            "stage": list("abc") * 4,
        },
        index=[f"cell{i}" for i in range(12)],
    )
    adata = anndata.AnnData(data.stack(), obs=obs, var=pd.DataFrame(index=list(data.genes)))
    adata.write_h5ad(tmp_path / "in.h5ad")
    inputs = Inputs(data=str(tmp_path / "in.h5ad"))
    config = small(criterion="magnitude")
    fit(read_material(inputs), config, out=tmp_path / "run", inputs=inputs)
    found = anndata.read_h5ad(export(tmp_path / "run", tmp_path / "out.h5ad"))
    assert list(found.obs_names) == list(adata.obs_names)
    assert found.obs["stage"].tolist() == obs["stage"].tolist()
    assert found.varp["niwaki"].nnz > 0


def test_cytoscape_json_names_nodes_and_edges(tmp_path):
    names = ("com,ma", 'qu"ote', "ta\tb", "Ångström-β")
    run = tmp_path / "run"
    fit(make_material(wave(names), prior=chain_network(names)), small(controls=False), out=run)
    found = json.loads(export(run, tmp_path / "x.json").read_text())["elements"]
    name = {node["data"]["id"]: node["data"]["name"] for node in found["nodes"]}
    weight = matrix(run)
    assert len(found["edges"]) == np.count_nonzero(weight)
    for edge in found["edges"]:
        data = edge["data"]
        at = names.index(name[data["target"]]), names.index(name[data["source"]])
        assert data["weight"] == pytest.approx(weight[at], rel=1e-5)  # six digits


@pytest.mark.parametrize("form", ["tsv", "graphml"])
def test_other_forms_are_those_of_the_run(form, finished, tmp_path):
    written = export(finished, tmp_path / "network.txt", form=form)
    assert written.read_bytes() == (finished / f"network.{form}").read_bytes()


def test_what_cannot_be_exported_is_said(run, tmp_path):
    with pytest.raises(ConfigError, match="the form 'xlsx' is unknown"):
        export(run, tmp_path / "x.xlsx")
    with pytest.raises(StorageError, match="could not be written"):
        export(run, tmp_path / "nowhere" / "x.h5ad")
    (run / "DONE").unlink()
    with pytest.raises(RunFolderError, match="is not finished"):
        export(run, tmp_path / "x.json")
    out = tmp_path / "objects"
    fit(make_material(wave()), small(criterion="magnitude"), out=out)
    with pytest.raises(RunFolderError, match="not fitted from a file"):
        export(out, tmp_path / "x.h5ad")
    assert not list(tmp_path.glob(".*"))
