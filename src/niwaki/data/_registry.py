"""Public data sets: where each file lies, at which commit, and what it must hash to."""

from collections.abc import Mapping
from dataclasses import dataclass

BASE_URL = "https://raw.githubusercontent.com"
_PHOENIX = "QuackenbushLab/phoenix/b18317663aada933fa26402df6aad86d042bd13b"
_DASH = "QuackenbushLab/DASH/2365bd1f4654b63bbc399700dd6897c32c029e2a"


@dataclass(frozen=True)
class RemoteFile:
    """One public file.

    Attributes
    ----------
    name
        Path inside the folder of the data set.
    source
        Path below the base address: repository, commit and path there.
    sha256
        What the content must hash to.
    """

    name: str
    source: str
    sha256: str


DATA_SETS: Mapping[str, tuple[RemoteFile, ...]] = {
    "sim350": (
        RemoteFile(
            "original/edge_prior_matrix_simu_350_noise_0.0.csv",
            f"{_DASH}/ground_truth_simulator/clean_data/edge_prior_matrix_simu_350_noise_0.0.csv",
            "201911f021dc3d8beba08462f5c0a6fd4cf10749a44527ef6efd76175b7992a5",
        ),
        RemoteFile(
            "original/edge_prior_matrix_simu_350_noise_0.025.csv",
            f"{_DASH}/ground_truth_simulator/clean_data/edge_prior_matrix_simu_350_noise_0.025.csv",
            "e2e00d4cd0c8300206b8e00a78a72eb4007213e93796b9b1657f18d98fe293c1",
        ),
        RemoteFile(
            "original/edge_prior_matrix_simu_350_noise_0.05.csv",
            f"{_DASH}/ground_truth_simulator/clean_data/edge_prior_matrix_simu_350_noise_0.05.csv",
            "d765d140590e425e684a920f648f7cea94429b185a9e8e343661b426476db731",
        ),
        RemoteFile(
            "original/edge_prior_matrix_simu_350_noise_0.1.csv",
            f"{_DASH}/ground_truth_simulator/clean_data/edge_prior_matrix_simu_350_noise_0.1.csv",
            "76b6b303edd9d37118b144646497a440b98a264acacad10923d40b968d792aba",
        ),
        RemoteFile(
            "original/edge_properties_G350.csv",
            f"{_PHOENIX}/ground_truth_simulator/clean_data/edge_properties_G350.csv",
            "d3a878ca02fc47865082e3e1f24e4bce04ca356fd44e61bbe29f554904d8775f",
        ),
        RemoteFile(
            "original/gene_names_350.csv",
            f"{_PHOENIX}/ground_truth_simulator/clean_data/gene_names_350.csv",
            "c2c3573672e061088844a9b33ff1375dcaef9cf24b59977e43891d6ea7a7a402",
        ),
        RemoteFile(
            "original/ode_system_functions_350.csv",
            f"{_PHOENIX}/ground_truth_simulator/clean_data/ode_system_functions_350.csv",
            "92cfc362ecf78e66572849a9391b433901b476b935c9d628a6bc5f88bf73b272",
        ),
        RemoteFile(
            "test_10samples.csv",
            f"{_DASH}/ground_truth_simulator/clean_data/simu_350genes_10samples_for_testing.csv",
            "0ad66fe786fb2fb22c20dc13fbe21d3c9e388a8ef2928c760a6925ea5429cbaa",
        ),
    ),
    "yeast": (
        RemoteFile(
            "edge_prior_matrix_pramila_500.csv",
            f"{_PHOENIX}/pramila_yeast_data/clean_data/edge_prior_matrix_pramila_500.csv",
            "5af9a2440b80650416487d3d862d9bc7096434fa5e95fa03bff45205a7c93495",
        ),
        RemoteFile(
            "motif_prior.csv",
            f"{_PHOENIX}/pramila_yeast_data/clean_data/motif_prior.csv",
            "886510a34df138f61c21f02c0140bee6765adea67029b0db854c35b64832cf21",
        ),
        RemoteFile(
            "pramila3551_gene_names.csv",
            f"{_PHOENIX}/pramila_yeast_data/clean_data/pramila3551_gene_names.csv",
            "d92a6a2e489fb603d2c522a7d002aaeec4c7421dad3f6a8e562d3f61324d1609",
        ),
        RemoteFile(
            "pramila500_gene_names.csv",
            f"{_PHOENIX}/pramila_yeast_data/clean_data/pramila500_gene_names.csv",
            "7b70731d674b17d47e5e65871fc261a68107fb0b5a35911d78528ea3963ce9a0",
        ),
        RemoteFile(
            "pramila_3551genes_1VALsample_24T.csv",
            f"{_PHOENIX}/pramila_yeast_data/clean_data/pramila_3551genes_1VALsample_24T.csv",
            "7afc4b48a56e5dc5d9f8c3919e945d45b3cd66e6d44c145ee0814ba32ae667a0",
        ),
        RemoteFile(
            "pramila_3551genes_1sample_24T.csv",
            f"{_PHOENIX}/pramila_yeast_data/clean_data/pramila_3551genes_1sample_24T.csv",
            "1bc9acec2ea7e3d362bf4c2c1a8941fe4871c9905808bd3acb16ba729a06cee0",
        ),
        RemoteFile(
            "pramila_500genes_1VALsample_24T.csv",
            f"{_PHOENIX}/pramila_yeast_data/clean_data/pramila_500genes_1VALsample_24T.csv",
            "bd3ceda85a7ec66b1366f6615e619e4831288aeea5f7f7ae1aed39a503d8be90",
        ),
        RemoteFile(
            "pramila_500genes_1sample_24T.csv",
            f"{_PHOENIX}/pramila_yeast_data/clean_data/pramila_500genes_1sample_24T.csv",
            "8f5a83069a3274d01b8f73a1e0243b6ebe051dede0114787fb831e30833de41c",
        ),
    ),
    "breast": (
        RemoteFile(
            "chip_validation_network.csv",
            f"{_PHOENIX}/breast_cancer_data/clean_data/validation_network.csv",
            "156f3aeebb603172aad959e32e3804c5bd9744046440a2750f763ac220f9e9b6",
        ),
        RemoteFile(
            "desmedt_500genes_1TESTsample_8middleT.csv",
            f"{_PHOENIX}/breast_cancer_data/clean_data/desmedt_500genes_1TESTsample_8middleT.csv",
            "9ca10806a4ea47377fe3d0e1aa84fea1025370ff8ac3a57c73f2f0bb2dfd3716",
        ),
        RemoteFile(
            "desmedt_500genes_1sample_178T.csv",
            f"{_PHOENIX}/breast_cancer_data/clean_data/desmedt_500genes_1sample_178T.csv",
            "ef57fae33b4f0f35f224951da6fd6cfe92cc0df27959421ca15c64a345eb85b4",
        ),
        RemoteFile(
            "desmedt_gene_names_500.csv",
            f"{_PHOENIX}/breast_cancer_data/clean_data/desmedt_gene_names_500.csv",
            "e34fda8ad1f75601b66197782efae75175b794e77ae293950023a890ef1e67d3",
        ),
        RemoteFile(
            "edge_prior_matrix_desmedt_500.csv",
            f"{_PHOENIX}/breast_cancer_data/clean_data/edge_prior_matrix_desmedt_500.csv",
            "23db7abe42db29cde18b770a003fc537aa1916a67c320f2da4e357f27a40e6a3",
        ),
    ),
    "hema": (
        RemoteFile(
            "edge_prior_matrix_hema_529.csv",
            f"{_DASH}/hema_data/clean_data/edge_prior_matrix_hema_529.csv",
            "5f4c2d42ae0fc0a86685006e866f6d9b4b57707b46c6cdae48af99bf56bbeee8",
        ),
        RemoteFile(
            "hema_B_529genes_2samples.csv",
            f"{_DASH}/hema_data/clean_data/hema_B_529genes_2samples.csv",
            "bedc0e05475ee821ec6b11bf5d3b0cf5c497963ad8ca31fb54adec8361ddc7fb",
        ),
        RemoteFile(
            "hema_B_529genes_3testsamples.csv",
            f"{_DASH}/hema_data/clean_data/hema_B_529genes_3testsamples.csv",
            "0e7885389687d7ee1ef54ea54c106079c009c1e0476261fe0dd1f95b9bdf0f81",
        ),
        RemoteFile(
            "hema_gene_names_529.csv",
            f"{_DASH}/hema_data/clean_data/hema_gene_names_529.csv",
            "b85443ebee8d6ee796110d1a68089d99d9815a7b9b779fe33b04b59be2b3ece9",
        ),
    ),
}
