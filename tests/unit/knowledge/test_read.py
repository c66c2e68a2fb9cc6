import gzip

import numpy as np
import pandas as pd
import pytest

from niwaki.core import ConfigError, InputError
from niwaki.knowledge import read_network


def write(tmp_path, text, name="prior.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def edges(network):
    names = network.genes
    return {
        (names[s], names[t]): w
        for s, t, w in zip(network.source, network.target, network.weight.tolist(), strict=True)
    }


LISTS = {
    "plain": "source,target,weight\nA,B,2\nB,C,0.5\n",
    "TF": "TF\ttarget\timportance\nA\tB\t2\nB\tC\t0.5\n",
    "panda": "tf gene motif force\nA B 1 2\nB C 1 0.5\n",
    "yeast": "reg, aff,prior_weight\nA,B,2\nB,C,0.5\n",
    "from": '"from","to","weight"\n"A","B",2\n"B","C",0.5\n',
    "row numbers": '"","from","to","weight"\n"1","A","B",2\n"2","B","C",0.5\n',
    "write.table": '"from" "to" "weight"\n"1" "A" "B" 2\n"2" "B" "C" 0.5\n',
    "order": "weight;target;source\n2;B;A\n0.5;C;B\n",
    "no header": "A,B,2\nB,C,0.5\n",
    "unknown header": "alpha,beta,gamma\nA,B,2\nB,C,0.5\n",
    "comments": "# made by hand\n\nsource|target|weight\r\nA|B|2\r\n\r\nB|C|0.5\r\n",
    "BOM": "\ufeffsource,target,weight\nA,B,2\nB,C,0.5\n",
    "spaces": "  source   target  weight\n  A   B  2\n  B   C  0.5\n",
    "old Mac": "source,target,weight\rA,B,2\rB,C,0.5\r",
    "no end": "A\tB\t2\nB\tC\t0.5",
}


@pytest.mark.parametrize("form", LISTS)
def test_edge_lists_of_any_form_give_the_same_network(tmp_path, form):
    network = read_network(write(tmp_path, LISTS[form])).network
    assert edges(network) == {("A", "B"): 2, ("B", "C"): 0.5}
    assert not network.signed


def test_one_row_under_a_short_header_is_enough(tmp_path):
    path = write(tmp_path, '"from" "to"\n"1" "A" "B"\n')
    assert edges(read_network(path).network) == {("A", "B"): 1}


def test_gzip_and_parquet_are_read(tmp_path):
    packed = tmp_path / "prior.tsv.gz"
    packed.write_bytes(gzip.compress(b"TF\ttarget\nA\tB\n"))
    assert edges(read_network(packed).network) == {("A", "B"): 1}
    table = tmp_path / "prior.parquet"
    pd.DataFrame({"TF": ["A"], "target": ["B"], "importance": [0.25]}).to_parquet(table)
    assert edges(read_network(table).network) == {("A", "B"): 0.25}
    matrix = tmp_path / "matrix.parquet"
    pd.DataFrame([[0.0, 3.0]], index=["A"], columns=["A", "B"]).to_parquet(matrix)
    assert edges(read_network(matrix).network) == {("A", "B"): 3}


@pytest.mark.parametrize(
    "text",
    [
        "Gene1,Gene2,Type\nA,B,+\nB,C,-\n",
        "source,target,sign\nA,B,+1\nB,C,-1\n",
        "source\ttarget\tmor\nA\tB\t1\nB\tC\t-1\n",
        "TF,target,mode\nA,B,Activation\nB,C,Repression\n",
        "from,to,activation\nA,B,TRUE\nB,C,FALSE\n",
        "A\tB\t+\nB\tC\t-\n",
        "A\tB\t+1\nB\tC\t-1\n",
    ],
)
def test_stated_signs_count(tmp_path, text):
    network = read_network(write(tmp_path, text)).network
    assert network.signed
    assert edges(network) == {("A", "B"): 1, ("B", "C"): -1}
    assert not read_network(write(tmp_path, text), signed=False).network.signed


def test_a_sign_that_is_not_understood_switches_signs_off_with_a_note(tmp_path):
    reading = read_network(write(tmp_path, "TF,target,Type\nA,B,+\nB,C,Unknown\n"))
    assert not reading.network.signed
    assert "1 of 2 edges state no sign" in reading.notes[0]


def test_an_edge_without_weight_needs_no_sign(tmp_path):
    """As the removed edges in the network of a run."""
    text = "source\ttarget\tweight\tsign\nA\tB\t0.5\t+\nB\tC\t-2\t-\nC\tA\t0\t\n"
    reading = read_network(write(tmp_path, text))
    assert reading.network.signed
    assert edges(reading.network) == {("A", "B"): 0.5, ("B", "C"): -2}


def test_negative_weights_alone_are_no_signs_unless_asked(tmp_path):
    path = write(tmp_path, ",A,B\nA,0,-0.5\nB,0.5,0\n")
    reading = read_network(path)
    assert not reading.network.signed
    assert edges(reading.network) == {("A", "B"): 0.5, ("B", "A"): 0.5}
    assert any("1 of 2 weights are negative" in note for note in reading.notes)
    assert edges(read_network(path, signed=True).network) == {("A", "B"): -0.5, ("B", "A"): 0.5}


def test_a_wide_matrix_is_read_row_acts_on_column_unless_told_otherwise(tmp_path):
    path = write(tmp_path, "gene\tX\tY\tZ\nA\t0\t1\t0\nB\t2\t0\t0\n", "wide.tsv")
    reading = read_network(path)
    assert edges(reading.network) == {("A", "Y"): 1, ("B", "X"): 2}
    assert set(reading.network.genes) == {"A", "B", "X", "Y", "Z"}
    assert "each row was read as a source" in reading.notes[0]
    other = read_network(path, rows="target").network
    assert edges(other) == {("Y", "A"): 1, ("X", "B"): 2}


@pytest.mark.parametrize("text", ["A,B\n0,1\n0,2\n", "A,B\nA,0,1\nB,0,2\n", ",A,B\nA,0,1\nB,0,2\n"])
def test_a_square_matrix_may_lack_row_names(tmp_path, text):
    network = read_network(write(tmp_path, text)).network
    assert edges(network) == {("A", "B"): 1, ("B", "B"): 2}


def test_a_square_matrix_without_names_takes_them_from_the_data(tmp_path):
    path = write(tmp_path, "0,1\n0,0\n")
    assert edges(read_network(path, genes=["b", "a"]).network) == {("b", "a"): 1}
    with pytest.raises(InputError, match="there are 3 genes"):
        read_network(write(tmp_path, "\n".join(["0,1,0,0,0"] * 5)), genes=["a", "b", "c"])


def test_a_gene_called_tf_is_no_header(tmp_path):
    path = write(tmp_path, "TF,HP,1\nA,B,2\n")
    assert edges(read_network(path).network) == {("TF", "HP"): 1, ("A", "B"): 2}


def test_numbered_genes_are_names_in_a_narrow_list(tmp_path):
    path = write(tmp_path, "1017\t1029\t0.5\n1017\t4609\t0.25\n")
    assert edges(read_network(path).network) == {("1017", "1029"): 0.5, ("1017", "4609"): 0.25}


def test_copies_are_merged_loops_kept_zeros_dropped_and_all_is_noted(tmp_path):
    text = "source,target,weight\nA,B,1\nA,B,-3\nC,C,1\nA,C,0\n,C,1\n"
    reading = read_network(write(tmp_path, text))
    assert edges(reading.network) == {("A", "B"): 3, ("C", "C"): 1}
    notes = " ".join(reading.notes)
    for words in ("1 rows without", "weight 0", "1 repeated", "1 edges from a gene to itself"):
        assert words in notes


@pytest.mark.parametrize("name", ["a,b", 'say "x"', "<script>", "Ω-gen", "None", "NA", "1-Mar"])
def test_strange_names_survive(tmp_path, name):
    path = tmp_path / "names.csv"
    pd.DataFrame({"source": [name, "A"], "target": ["A", "B"]}).to_csv(path, index=False)
    assert (name, "A") in edges(read_network(path).network)


BAD = {
    "": "is empty",
    "# only\n# comments\n": "nothing but comments",
    "source,target,weight\n": "holds no edges",
    "source,target,weight\nA,B,0\n": "holds no edges",
    "A\nB\nC\n": "one column only",
    "source,target,weight\nA,B,strong\n": "expected a finite weight in row 2, got 'strong'",
    "source,target,weight\nA,B,nan\n": "row 2, got 'nan'",
    "source,target,weight\nA,B,1\nA,C,inf\n": "row 3, got 'inf'",
    "source,target,weight\nA,B,\n": "row 2, got ''",
    "TF,weight\nA,1\nB,2\n": "none of which is known as the target",
    "gene_a1,1\nb,2\n": "first column only",
    ",A,B,C\n" + "A,0,1,0\n" * 50 + "B,0,what,1\n": "expected a number in row 52, column 3",
    ",A,B,C\n" + "A,0,1,0\n" * 50 + "B,0,,1\n": "expected a number in row 52, column 3",
    "A,B,C\n0,1,0\n0,0,1\n": "names 3 genes above a matrix of 2 x 3",
    "0,1,0,0,0\n0,0,1,0,0\n": "expected a square one",
    "0,1,0,0,0\n" * 5: "without gene names; give the names",
    "source,target\n" + "A,B\n" * 60 + "A,B,C,D\n": "different lengths",
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_file_gives_one_sentence(tmp_path, text):
    with pytest.raises(InputError, match=BAD[text]) as caught:
        read_network(write(tmp_path, text))
    assert "prior.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_tables_are_named(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_network(tmp_path / "absent.csv")
    with pytest.raises(InputError, match="is a folder"):
        read_network(tmp_path)
    book = tmp_path / "prior.xlsx"
    book.write_bytes(b"PK\x03\x04rest")
    with pytest.raises(InputError, match="Excel"):
        read_network(book)
    broken = tmp_path / "prior.gz"
    broken.write_bytes(gzip.compress(b"A,B\n" * 99)[:20])
    with pytest.raises(InputError, match="damaged gzip"):
        read_network(broken)
    parquet = tmp_path / "prior.parquet"
    parquet.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(InputError, match="damaged Parquet"):
        read_network(parquet)


def test_unknown_orientation_is_named(tmp_path):
    with pytest.raises(ConfigError, match="columns"):
        read_network.__wrapped__(write(tmp_path, "A,B\n"), rows="columns")


def test_a_quarter_million_edges_are_read_quickly(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "long.csv"
    pd.DataFrame(
        {"source": rng.integers(0, 60, 250_000), "target": rng.integers(0, 20_000, 250_000)}
    ).map("g{}".format).to_csv(path, index=False)
    assert len(read_network(path).network) > 200_000
