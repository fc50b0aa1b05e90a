"""Pages of the stage demovae against planted tables: numbers, sentences, pictures."""

import io

import numpy as np
import pandas as pd
import pytest

from neuro.io.formats.tables import write_tsv
from neuro.report.figures import demovae as demovae_figures
from neuro.report.figures import demovae_samples
from neuro.report.pages import demovae, demovae_compared
from neuro.report.site import model
from neuro.report.site.labels import Labels

FEATURES = ("raw", "pca-60", "residual", "linear-60", "network-60")
TARGETS = (
    ("age", "linear", "r2", 0.0),
    ("age^2", "linear", "r2", 0.0),
    ("sex", "linear", "balanced_accuracy", 0.5),
    ("sex", "rbf", "balanced_accuracy", 0.5),
    ("site", "linear", "balanced_accuracy", 0.2),
)
REGIONS = 12


def readouts():
    rows = []
    for scheme in ("folds", "halves", "leave_site_out"):
        for number, name in enumerate(FEATURES):
            for target, method, metric, chance in TARGETS:
                rows.append(
                    {
                        "scheme": scheme,
                        "features": name,
                        "target": target,
                        "metric": metric,
                        "model": method,
                        "fit_on": "fresh" if scheme == "halves" else "train",
                        "train": 0.9,
                        "heldout": chance + 0.4 - 0.09 * number,
                        "null_lo": chance - 0.05,
                        "null_hi": chance + 0.05,
                        "chance": chance,
                        "n": 300,
                    }
                )
    return pd.DataFrame(rows)


def associations(n_train=400, heldout=0.2):
    rows = [
        {
            "scheme": "folds",
            "features": name,
            "column": column,
            "max_abs_r_train": 0.4 if name.startswith("pca") else 0.0,
            "max_abs_r_heldout": heldout if column == "age" else 0.15,
            "null_bound": 0.25,
            "n_correlations": 60,
            "n_train": n_train,
            "n_test": 100,
        }
        for name in FEATURES
        if name not in ("raw", "residual")
        for column in ("age", "sex", "site")
    ]
    return pd.DataFrame(rows)


def diagnosis():
    rows = []
    for scheme in ("pooled", "leave_site_out"):
        for number, name in enumerate(("demographics", *FEATURES)):
            if scheme == "leave_site_out" and name == "demographics":
                continue
            for metric in ("balanced_accuracy", "auc"):
                for fold, site in (("all", "all"), ("1", "NYU")):
                    rows.append(
                        {
                            "scheme": scheme,
                            "fold": fold,
                            "site": site,
                            "input": name,
                            "mask": "none",
                            "metric": metric,
                            "value": 0.66 - 0.02 * number,
                            "ci_low": 0.5,
                            "ci_high": 0.7,
                            "null_mean": 0.53,
                            "null_sd": 0.02,
                            "p": 0.01,
                            "n": 493,
                            "primary": name == "network-60",
                        }
                    )
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "results"
    out = folder / "demovae"
    out.mkdir(parents=True)
    rng = np.random.default_rng(0)
    n_edges = REGIONS * (REGIONS - 1) // 2
    write_tsv(out / "readouts.tsv", readouts())
    write_tsv(out / "associations.tsv", associations())
    write_tsv(
        out / "reconstruction.tsv",
        pd.DataFrame(
            {
                "scheme": ["folds", "folds", "halves"],
                "features": ["pca-60", "network-60", "network-60"],
                "rmse_train": [0.11, 0.1, 0.2],
                "rmse_heldout": [0.12, 0.1234, 0.3],
            }
        ),
    )
    epochs = np.arange(101)
    history = pd.DataFrame(dict.fromkeys(("rec", "cov", "mean", "decor"), 1 / (1 + epochs)))
    history.insert(0, "epoch", epochs)
    history["guide"] = 0.5
    history["val_rec"] = np.where(epochs % 10 == 0, 0.2 + 0.001 * abs(epochs - 30), np.nan)
    write_tsv(out / "history.tsv", history)
    (out / "model.json").write_text('{"Epoch": 30}')
    write_tsv(out / "dx_without_demographics.tsv", diagnosis())
    names = ["age", "age^2", "sex", "site=NYU", "site=KKI"]
    maps = {f"real_{name}": rng.standard_normal(n_edges) for name in names}
    maps |= {f"synthetic_{name}": maps[f"real_{name}"] * 0.8 for name in names}
    near, far = rng.uniform(0.2, 0.3, 50), np.full(50, 0.25)
    np.savez(
        out / "generation.npz",
        region=np.array([f"R{i}" for i in range(REGIONS)]),
        nearest_train=near,
        nearest_heldout=far,
        eigenvalue_real=rng.uniform(0, 0.1, 40),
        eigenvalue_synthetic=rng.uniform(1e-6, 0.1, 40),
        mean_real=rng.uniform(-0.2, 0.8, n_edges),
        mean_synthetic=rng.uniform(-0.2, 0.8, n_edges),
        sd_real=rng.uniform(0.1, 0.3, n_edges),
        sd_synthetic=rng.uniform(0.1, 0.3, n_edges),
        **maps,
    )
    write_tsv(
        out / "map_comparison.tsv",
        pd.DataFrame(
            {
                "map": names,
                "r": 0.77,
                "amplitude": 0.8,
                "rmse": 0.01,
                "rms_real": 0.02,
                "r_halves": 0.71,
            }
        ),
    )
    write_tsv(
        out / "generation.tsv",
        pd.DataFrame(
            {
                "name": [
                    *("sd_ratio", "privacy_ratio", "membership_auc", "readout_age", "rmse_age", "x")
                ],
                "value": [0.97, (near < far).mean(), 0.93, 0.31, 2.5, 1.0],
                "reference": [np.nan, 0.5, 0.5, 0.35, 2.4, np.nan],
            }
        ),
    )
    return folder


@pytest.fixture(scope="module")
def section(results):
    return demovae.sections(results, {"demovae": {"enabled": True}}, Labels())[0]


def blocks(section, kind):
    found = []
    for block in section.blocks:
        found += block.blocks if isinstance(block, model.Details) else [block]
    return [block for block in found if isinstance(block, kind)]


def test_every_figure_of_the_stage_is_drawn(section):
    names = {figure.name for figure in section.figures()}
    assert names == {
        *("associations", "readouts", "losses", "group_maps", "edges", "eigenvalues", "privacy"),
        *("diagnosis_pooled", "diagnosis_leave_site_out"),
    }
    import matplotlib.image

    for figure in section.figures():
        picture = matplotlib.image.imread(io.BytesIO(figure.png))
        assert picture[..., :3].std() > 0.03, figure.name
        assert figure.how_to_read and figure.alt and figure.caption


def test_the_table_of_readouts_has_linear_and_non_linear_scores(section):
    tables = blocks(section, model.Table)
    table = next(table for table in tables if "These count" in table.caption)
    assert [column.label for column in table.columns] == [
        *("Features", "age", "age²", "sex", "sex (rbf)", "site")
    ]
    row = next(row for row in table.rows if row["name"] == "Network, 60")
    assert row["strong"]
    assert row["sex|rbf"] == pytest.approx(0.5 + 0.4 - 0.09 * 4)
    assert table.rows[-1] == {
        "name": "Chance",
        "age|linear": 0.0,
        "age^2|linear": 0.0,
        "sex|linear": 0.5,
        "sex|rbf": 0.5,
        "site|linear": 0.2,
    }
    assert sum("Readouts fitted" in table.caption for table in tables) == 2


def test_the_sentence_quotes_the_network_beside_raw_and_chance(section):
    text = next(block.text for block in section.blocks if getattr(block, "kind", "") == "note")
    assert "Network, 60 latents" in text
    assert "age 0.04 (raw 0.40, chance 0.00, R²)" in text
    assert "No latent correlates with a column by more than chance allows." in text
    warned = [block.text for block in blocks(section, model.Text) if block.kind == "warning"]
    assert not any("runs" in text for text in warned)


def test_who_would_share_samples_or_weights_is_warned(section, results):
    names = [getattr(block, "text", "") for block in section.blocks]
    place = names.index("Synthetic connectomes")
    text = next(text for text in names[place:] if text.startswith("Before you share"))
    assert names.index(text) == place + 2, "before any figure of the samples"
    assert "AUC of 0.93: never share model.npz" in text
    near = pd.read_csv(results / "demovae/generation.tsv", sep="\t", index_col=0)["value"]
    assert f"{100 * near['privacy_ratio']:.0f} % of them lie nearer" in text
    # a share of half is no promise: attacks on samples succeed there, too
    assert "nothing about single people" not in text
    assert "protects nobody" in text
    assert "do not share them" in demovae_compared.sharing(pd.Series({"privacy_ratio": 0.61})).text
    assert (
        "do not share them" not in demovae_compared.sharing(pd.Series({"privacy_ratio": 0.59})).text
    )


def test_a_correlation_beyond_chance_and_a_small_cohort_are_said(results, tmp_path):
    folder = tmp_path / "results" / "demovae"
    folder.mkdir(parents=True)
    write_tsv(folder / "readouts.tsv", readouts())
    write_tsv(folder / "associations.tsv", associations(n_train=14, heldout=0.4))
    made = demovae.sections(tmp_path / "results", {}, Labels())[0]
    texts = {block.kind: block.text for block in blocks(made, model.Text)}
    assert "correlates with age." in texts["note"]
    assert "has 14 runs" in texts["warning"]
    assert {figure.name for figure in made.figures()} == {"associations", "readouts"}


def test_what_is_beyond_chance_is_judged_on_held_out_subjects_of_the_main_features():
    """Training, held-out and bound differ for every column; other features and schemes as well."""
    main = [name for name in FEATURES if name.startswith("network")][-1]
    columns = {"age": (0.9, 0.1), "sex": (0.1, 0.9), "site": (0.3, 0.31)}
    rows = [
        {
            "scheme": scheme,
            "features": name,
            "column": column,
            "max_abs_r_train": train,
            "max_abs_r_heldout": heldout if (scheme, name) == ("folds", main) else 0.95,
            "null_bound": 0.3,
            "n_correlations": 60,
            "n_train": 400,
            "n_test": 100,
        }
        for scheme in ("folds", "halves")
        for name in FEATURES
        if name not in ("raw", "residual")
        for column, (train, heldout) in columns.items()
    ]
    found = readouts()
    # training scores of their own, none of which may be quoted
    found["train"] = 2 + 0.01 * np.arange(len(found))
    text = demovae._sentence(found, pd.DataFrame(rows)).text
    assert text.endswith("Beyond what chance allows, a latent correlates with sex, site.")
    own = found[(found["features"] == main) & (found["scheme"] == "halves")]
    for row in own[own["model"] == "linear"].itertuples():
        assert f"{row.target.replace('^2', '²')} {row.heldout:.2f}" in text
        assert f"{row.train:.2f}" not in text
    quiet = pd.DataFrame(rows).assign(max_abs_r_heldout=0.3)
    assert "No latent correlates" in demovae._sentence(found, quiet).text


def test_nothing_at_all_is_one_note(tmp_path):
    made = demovae.sections(tmp_path, {}, Labels())[0]
    assert [block.kind for block in made.blocks] == ["plain", "note"]


def test_the_diagnosis_stands_beside_demographics_alone(section):
    texts = [block.text for block in blocks(section, model.Text)]
    assert any("without any brain, reach 0.660" in text for text in texts)
    table = next(t for t in blocks(section, model.Table) if t.caption.startswith("Pooled folds"))
    assert [row["name"] for row in table.rows][:3] == [
        *("Demographics alone", "Raw connectomes", "Principal components, 60")
    ]
    assert [row["name"] for row in table.rows if row["strong"]] == ["Network, 60"]
    # totals only: rows of single folds would repeat every input
    assert len(table.rows) == 6


def test_samples_in_numbers(section):
    table = next(t for t in blocks(section, model.Table) if "in numbers" in t.caption)
    names = [row["name"] for row in table.rows]
    told = "Readout of age trained on synthetic, tested on real people"
    assert names[-2:] == [told, f"{told}, RMSE in its unit"]
    assert len(names) == 5, "a measure without a name in words is not shown"
    privacy = next(figure for figure in section.figures() if figure.name == "privacy")
    assert "AUC of 0.93" in privacy.caption
    eigen = next(figure for figure in section.figures() if figure.name == "eigenvalues")
    assert "Smallest eigenvalue" in eigen.caption


def test_the_planted_cohort_is_shown_where_there_is_one(results, tmp_path):
    rows = [
        {
            "group": group,
            "name": name,
            "features": features,
            "planted": 1.0,
            "recovered": 0.75,
            "error": 0.25,
            "unit": unit,
            "baseline": 0.8,
            "n": 100,
        }
        for features in ("raw", "pca-4", "linear-4", "network-4")
        for group, name, unit in (
            ("removed", "age", "r2"),
            ("removed", "site", "balanced_accuracy"),
            ("kept", "the 5 strongest factors", "r2"),
        )
    ] + [
        {
            "group": "maps",
            "name": "site=alpha",
            "features": "network-4",
            "planted": 1.0,
            "recovered": 0.7,
            "error": 0.3,
            "unit": unit,
            "baseline": 0.8,
            "n": 100,
        }
        for unit in ("r", "amplitude")
    ]
    folder = tmp_path / "results" / "demovae"
    folder.mkdir(parents=True)
    write_tsv(folder / "planted.tsv", pd.DataFrame(rows))
    made = demovae.sections(tmp_path / "results", {}, Labels())[0]
    assert [figure.name for figure in made.figures()] == ["planted"]
    table = blocks(made, model.Table)[-1]
    assert len(table.rows) == 5, "of the deconfounded features only"
    assert {row["group"] for row in table.rows} == {
        "left in features",
        "kept in features",
        "map of samples, r",
        "map of samples, amplitude",
    }


def test_names_in_words():
    assert demovae_figures.features_name("linear-150") == "Linear relative, 150"
    assert demovae_figures.features_name("raw") == "Raw connectomes"
    assert demovae_figures.features_name("other") == "other"
    assert demovae_figures.target_name("age^2") == "age²"
    assert demovae_figures.target_name("site", "rbf") == "site (rbf)"


def test_maps_of_real_and_synthetic_people_share_one_square():
    upper = np.triu_indices(REGIONS, 1)
    real, made = np.ones(len(upper[0])), np.full(len(upper[0]), -1.0)
    table = pd.DataFrame({"map": ["age"], "r": [0.5], "amplitude": [1.0]})
    arrays = {"real_age": real, "synthetic_age": made}
    assert len(demovae_samples.group_maps(arrays, table, REGIONS)) == 1
    assert demovae_samples.group_maps({"real_age": real}, table, REGIONS) == []
    assert demovae_samples.eigenvalues({}) == demovae_samples.privacy({}, pd.Series()) == []
    assert demovae_samples.edge_statistics({}) == []
    assert demovae_figures.losses(pd.DataFrame({"epoch": [0], "rec": [0.0]}), None) == []
