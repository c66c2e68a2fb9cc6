"""A small made-up moth study."""

from niwaki.core import MothMotif, MothRow, MothStageRow, MothStudy, MotifRow, PublishedRow

INPUTS = {"phi_0": 0.1, "dphi_0": 0.0, "dtheta_0": 0.002}


def motif(name, null, z):
    return MothMotif(
        motif=name,
        pattern="a→b",
        null=null,
        observed=12.0,
        z=z,
        z_sd=None if z is None else 0.5,
        ratio=1.2,
        beyond=0.5,
    )


def stage(number, sparsity, mse, networks=2):
    return MothStageRow(
        stage=number,
        sparsity=sparsity,
        networks=networks,
        mse=mse,
        mse_low=mse,
        mse_high=2 * mse,
        effective_sparsity=sparsity,
        edges=100.0,
        live=[3.0, 2.0, 1.0],
        cosine={"uniform": 0.9 if networks > 1 else None, "degree": 0.3 if networks > 1 else None},
        coherent_diamonds=None,
        inputs=INPUTS,
        motifs=[
            motif("edge", "uniform", None),
            motif("chain2", "uniform", 4.0),
            motif("chain2", "degree", None),
            motif("bifan", "uniform", 6.0),
            motif("bifan", "degree", 3.0),
        ],
        cpu_seconds=10.0,
    )


def row(network, number, sparsity, mse, selected=False):
    motifs = [
        MotifRow(
            motif="bifan",
            pattern="a→b",
            null="uniform",
            observed=12,
            mean=10.0,
            sd=1.0,
            z=2.0,
            ratio=1.2,
            difference=0.1,
            p=0.04,
            q=0.05,
            profile=1.0,
            fixed=False,
            exact=True,
        )
    ]
    return MothRow(
        network=network,
        stage=number,
        sparsity=sparsity,
        effective_sparsity=sparsity,
        mse=mse,
        updates=10,
        selected=selected,
        live=[3, 2, 1],
        edges=100,
        reachable2=5,
        reachable3=2,
        coherent_diamonds=None,
        inputs=INPUTS,
        motifs=motifs,
    )


def made_study():
    return MothStudy(
        rows=[
            row(0, 1, 0.93, 9e-4, selected=True),
            row(1, 1, 0.93, 1.1e-3),
            row(0, 2, 0.94, 1.2e-2),
        ],
        stages=[stage(0, 0.0, 5e-4), stage(1, 0.93, 1e-3), stage(2, 0.94, 1.2e-2, networks=1)],
        published=[
            PublishedRow(
                quantity="bifan", ours=45_000.0, without_biases=44_000.0, published=45_244.0
            ),
            PublishedRow(quantity="live_4", ours=9.0, without_biases=9.0, published=6.2),
        ],
        criterion="magnitude",
        options="",
        networks=2,
        planned_stages=4,
        finished=False,
        cpu_seconds=90.0,
        seconds=100.0,
        notes=["200 flights."],
    )
