import gzip

import numpy as np
import pandas as pd
import pytest

from niwaki.core import InputError
from niwaki.data import constant_genes, read_expression

SAMPLES = """time,donor,A,B
0,d1,1,2
1,d1,3,4
0,d2,5,6
2,d2,7,8
"""


def read(tmp_path, text, name="data.csv", **options):
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_expression(path, **options)


def as_dict(reading):
    return {
        item.name: dict(zip(item.times.tolist(), item.values.tolist(), strict=True))
        for item in reading.trajectories.items
    }


EXPECTED = {"d1": {0.0: [1, 2], 1.0: [3, 4]}, "d2": {0.0: [5, 6], 2.0: [7, 8]}}


def test_samples_in_rows(tmp_path):
    reading = read(tmp_path, SAMPLES)
    assert (reading.layout, reading.trajectories.genes) == ("samples", ("A", "B"))
    assert as_dict(reading) == EXPECTED
    assert reading.notes == ("Column 'donor' tells 2 trajectories apart.",)


def test_genes_in_rows(tmp_path):
    reading = read(tmp_path, "gene\td1_t0\td1_t1\td2_t0\td2_t2\nA\t1\t3\t5\t7\nB\t2\t4\t6\t8\n")
    assert reading.layout == "genes"
    assert as_dict(reading) == EXPECTED
    assert "'d1_t0' was read as time 0 of 'd1'" in reading.notes[0]


def test_one_value_per_row_in_any_order(tmp_path):
    lines = ["gene;value;time;sample"]
    for donor, times in EXPECTED.items():
        for time, values in times.items():
            lines += [f"{gene};{v};{time};{donor}" for gene, v in zip("AB", values, strict=True)]
    reading = read(tmp_path, "\n".join([lines[0], *reversed(lines[1:])]))
    assert reading.layout == "long"
    assert reading.trajectories.genes == ("B", "A")
    assert as_dict(reading)["d1"] == {0.0: [2, 1], 1.0: [4, 3]}


def test_r_tables_with_row_names_and_mangled_times(tmp_path):
    reading = read(tmp_path, '"X0" "X2.5" "X10"\n"A" 1 2 3\n"B" 4 5 6\n', "r.txt")
    assert reading.trajectories.genes == ("A", "B")
    assert as_dict(reading) == {"sample 1": {0.0: [1, 4], 2.5: [2, 5], 10.0: [3, 6]}}


def test_empty_columns_that_spreadsheets_leave_are_dropped(tmp_path):
    expected = {"sample 1": {0.0: [1], 1.0: [2]}}
    assert as_dict(read(tmp_path, "time,A,,\n0,1,,\n1,2,,\n,,,\n")) == expected
    assert as_dict(read(tmp_path, "time,A\n0,1,\n1,2,\n")) == expected


def test_parquet_with_and_without_an_index(tmp_path):
    frame = pd.DataFrame({"time": [0, 1], "A": [0.1, 0.2], "B": [1.0, np.float32(0.3)]})
    frame.to_parquet(tmp_path / "a.parquet")
    frame.set_index("time").T.to_parquet(tmp_path / "b.parquet")
    samples, genes = (read_expression(tmp_path / f"{name}.parquet") for name in "ab")
    assert (samples.layout, genes.layout) == ("samples", "genes")
    assert as_dict(samples) == as_dict(genes)


def test_rows_out_of_order_are_sorted_with_a_note(tmp_path):
    reading = read(tmp_path, "time,A\n2,20\n0,0\n1,10\n")
    assert as_dict(reading) == {"sample 1": {0.0: [0], 1.0: [10], 2.0: [20]}}
    assert any("sorted" in note for note in reading.notes)


def test_repeated_times_are_averaged_with_a_note(tmp_path):
    reading = read(tmp_path, "pseudotime,A\n0,1\n0.5,2\n0.5,4\n")
    assert as_dict(reading) == {"sample 1": {0.0: [1], 0.5: [3]}}
    assert any("2 rows share" in note for note in reading.notes)


def test_interleaved_trajectories_in_order_need_no_note_on_sorting(tmp_path):
    reading = read(tmp_path, "time,sample,A\n0,a,1\n0,b,2\n1,a,3\n1,b,4\n")
    assert as_dict(reading) == {"a": {0.0: [1], 1.0: [3]}, "b": {0.0: [2], 1.0: [4]}}
    assert not any("sorted" in note for note in reading.notes)


def test_time_points_without_values_are_left_out(tmp_path):
    reading = read(tmp_path, "gene,0,1,2\nA,1,NA,3\nB,4,,6\n")
    assert list(as_dict(reading)["sample 1"]) == [0, 2]
    assert any("1 time points without any value" in note for note in reading.notes)


def test_row_names_and_other_annotations_are_not_genes(tmp_path):
    reading = read(tmp_path, "cell,time,trajectory,condition,A\nc1,0,x,wt,1\nc2,1,x,wt,2\n")
    assert reading.trajectories.genes == ("A",)
    assert [item.name for item in reading.trajectories.items] == ["x"]
    assert sum("not read as a gene" in note for note in reading.notes) == 2


def test_a_sample_column_that_names_every_row_is_one_trajectory(tmp_path):
    reading = read(tmp_path, "sample,time,A\ns1,0,1\ns2,1,2\ns3,2,3\n")
    assert len(reading.trajectories) == 1
    assert any("different in every row" in note for note in reading.notes)
    asked = read(tmp_path, "sample,time,A\ns1,0,1\ns2,1,2\n", trajectory_key="sample")
    assert len(asked.trajectories) == 2


def test_start_states_at_one_time_stay_separate(tmp_path):
    reading = read(tmp_path, "sample,time,A\ns1,0,1\ns2,0,2\n")
    assert as_dict(reading) == {"s1": {0.0: [1]}, "s2": {0.0: [2]}}


def test_a_header_of_times_under_an_unusual_title_is_noted(tmp_path):
    assert "'proteins'" in read(tmp_path, "proteins,0,1\nA,1,2\n").notes[0]
    assert read(tmp_path, "gene,0,1\nA,1,2\n").notes == ()


def test_times_with_units(tmp_path):
    assert list(as_dict(read(tmp_path, "time,A\n0h,1\n12h,2\n"))["sample 1"]) == [0, 12]


def test_keys_choose_the_columns(tmp_path):
    text = "time,clock,donor,arm,A\n0,5,d,x,1\n1,6,d,y,2\n"
    reading = read(tmp_path, text, time_key="clock", trajectory_key="arm")
    assert as_dict(reading) == {"x": {5.0: [1]}, "y": {6.0: [2]}}


def test_layout_can_be_forced(tmp_path):
    text = "gene,ctrl_1,ctrl_2\nA,1,2\n"
    reading = read(tmp_path, text, layout="genes")
    assert as_dict(reading) == {"ctrl": {1.0: [1], 2.0: [2]}}
    with pytest.raises(InputError, match="layout 'wide' is unknown"):
        read(tmp_path, text, layout="wide")


def test_a_separate_list_of_genes_is_noted_where_it_is_not_needed(tmp_path):
    reading = read(tmp_path, SAMPLES, genes_file=tmp_path / "none.csv")
    assert any("was not used" in note for note in reading.notes)


def test_constant_genes_are_named(tmp_path):
    reading = read(tmp_path, "time,sample,A,B,C\n0,a,1,1,1\n1,a,1,2,1\n0,b,1,1,2\n")
    assert constant_genes(reading.trajectories) == ("A",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,A\n0,1\n1,high\n", r"number in column 'A', row 2 below the header, got 'high'"),
        ("time;A\n0;1,5\n1;2,5\n", "decimal comma"),
        ("gene,0,1\nA,1,2\nB,3,x\n", "column '1', the row of gene 'B', got 'x'"),
        ("time,gene,value\n0,A,1\n0,B,low\n", "value column, row 2, got 'low'"),
        ("time,A,B\n0,1,2\n1,,2\n", r"gene 'A' has a missing.*'sample 1' at time 1 \(1 such"),
        ("time,A\n0,1\n1,inf\n", "infinite value"),
        ("time,A\n0,1\n,2\n", "1 of 2 rows have a missing or infinite time"),
        ("time,A\nearly,1\nlate,2\n", "number in column 'time', row 1, got 'early'"),
        ("time,A\n1h,1\n30min,2\n", "mix units"),
        ("time,A,B,A\n0,1,2,3\n", r"gene 'A' stands twice \(as number 1 and 3\)"),
        ("gene,0,1\nA,1,2\nA,1,2\n", "gene 'A' stands twice"),
        ("time,A,,B\n0,1,2,3\n", "gene number 2 has no name"),
        ("time,A,\n0,1,2\n", "row 1 below the header has 3 cells, expected 2"),
        ("time,A,B\n0,1\n", "row 1 below the header has 2 cells, expected 3"),
        ("time,A,B\n0,1,2\n1,2,3,4\n", "row 2 below the header has 4 cells, expected 3"),
        ("time,A,B\n", "header but no rows"),
        ("time,gene,value\n", "header but no rows"),
        ("gene,0,1\n", "header but no rows"),
        ("time,sample\n0,a\n", "no gene columns"),
        ("time,gene,value\n0,A,1\n0,B,1\n1,A,1\n", "gene 'B' has a missing"),
        ("time,gene,value\nNA,A,1\n", "1 rows have no time"),
        ("time,donor,A\n0,d,1\n1,d,1\n2,,2\n", "1 rows do not say which trajectory"),
        ('time,"A\nB"\n0,1\n', "name 'A B' holds a line break"),
        ("time,A\n0,NA\n", "every cell is empty"),
        ("one column\nof text\n", "expected a column called 'time'"),
        ("gene,t0,t1h,t2min\nA,1,2,3\n", "mix units"),
    ],
)
def test_bad_tables_give_one_sentence_with_the_file(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, text)
    assert str(tmp_path / "data.csv") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_key_lists_the_columns(tmp_path):
    with pytest.raises(InputError, match=r"data\.csv.*'clock'.*'time', 'donor', 'A', 'B'"):
        read(tmp_path, SAMPLES, time_key="clock")
    with pytest.raises(InputError, match="trajectory column 'arm'"):
        read(tmp_path, SAMPLES, trajectory_key="arm")
    with pytest.raises(InputError, match="no column for the gene"):
        read(tmp_path, SAMPLES, layout="long")
    with pytest.raises(InputError, match="'donor' is not a time"):
        read(tmp_path, SAMPLES, layout="genes")


def test_unknown_extensions_and_damaged_parquet(tmp_path):
    with pytest.raises(InputError, match=r"unknown extension '\.xlsx'"):
        read(tmp_path, "x", "a.xlsx")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        read(tmp_path, "PAR1 and nothing more", "a.parquet")


def test_compressed_tables(tmp_path):
    assert as_dict(read(tmp_path, gzip.compress(SAMPLES.encode()), "a.csv.gz")) == EXPECTED
