"""Names of regions from the tables that atlases come with."""

import nibabel
import numpy as np
import pytest

from neuro.fmri.regions.atlases import load_atlas
from neuro.io.problems import InputProblem
from neuro.io.regions.label_tables import read_names

RIGHT = {1: "Vis_1", 2: "Vis_2"}
LUT = """#$Id: FreeSurferColorLUT
#No. Label Name:   R   G   B   A

1   Vis_1    70 130 180 0
2   Vis_2   245 245 245 0
"""
TABLES = {
    "bids.tsv": "index\tname\tcolor\n1\tVis_1\t#1\n2\tVis_2\t#2\n",
    "xcpd.tsv": "index\tlabel\tnetwork_label\n1\tVis_1\tVis\n2\tVis_2\tVis\n",
    "values.tsv": "label\tname\n1\tVis_1\n2\tVis_2\n",
    "nilearn.csv": "index,name\n0,Background\n1,Vis_1\n2,Vis_2\n",
    "other.tsv": "ID\tROI_name\n1\tVis_1\n2\tVis_2\n",
    "capitals.tsv": "Index\tLabel\n1.0\tVis_1\n2.0\tVis_2\n",
    "lut.txt": LUT,
    "bare.txt": "1 Vis_1\n2 Vis_2\n",
    "gap.tsv": "index\tname\n1\tVis_1\n2\tVis_2\n3\tn/a\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_by_any_of_the_names_in_use(tmp_path, name):
    (tmp_path / name).write_text(TABLES[name])
    found = read_names(tmp_path / name)
    assert {code: found[code] for code in (1, 2)} == RIGHT
    assert set(found) <= {0, 1, 2}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        ("index\tcolor\n1\tred\n", "no column 'name'"),
        ("name\tcolor\nVis_1\tred\n", "no column 'index'"),
        ("index\tname\n1\ta\n1\tb\n", "value 1 has two names"),
        ("index\tname\n1.5\ta\n", "no whole number"),
    ],
)
def test_a_table_that_names_nothing_is_one_line(tmp_path, text, words):
    (tmp_path / "x.tsv").write_text(text)
    with pytest.raises(InputProblem, match=words) as caught:
        read_names(tmp_path / "x.tsv")
    assert len(caught.value.problems) == 1


IMAGE = "tpl-MNI152NLin2009cAsym_res-02_atlas-Schaefer2018_desc-100Parcels_dseg"


@pytest.mark.parametrize(
    "table",
    [
        f"{IMAGE}.tsv",
        IMAGE.replace("_res-02", "") + ".tsv",
        f"{IMAGE}_LUT.txt",
        f"{IMAGE}.lut",
    ],
)
def test_the_table_beside_an_image_is_found(tmp_path, table):
    path = tmp_path / f"{IMAGE}.nii.gz"
    values = np.ones((4, 4, 4), np.int16)
    values[2:] = 2
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)
    assert load_atlas(path).labels == ["1", "2"]
    (tmp_path / table).write_text(LUT if not table.endswith(".tsv") else TABLES["bids.tsv"])
    assert load_atlas(path).labels == ["Vis_1", "Vis_2"]


def test_the_table_of_another_atlas_is_not_taken(tmp_path):
    path = tmp_path / f"{IMAGE}.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.ones((4, 4, 4), np.int16), np.eye(4)), path)
    (tmp_path / (IMAGE.replace("100Parcels", "200Parcels") + ".tsv")).write_text(TABLES["bids.tsv"])
    assert load_atlas(path).labels == ["1"]
