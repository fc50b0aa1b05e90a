"""Pages of fmri, adhd and demovae of the stored case: what they show is in the result files."""

import json
import re
import statistics
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from drawn import redrawn
from report_pages import Page
from scipy import stats
from shown import Shown, shows

from neuro.report import build
from neuro.report.figures import brains, draw
from neuro.report.pages import adhd, demovae, fmri
from neuro.report.site import model
from neuro.report.site.labels import Labels

CASE = Path(__file__).parents[1] / "unit" / "report"
RESULTS = CASE / "data" / "results"
STAGES = ("fmri", "adhd", "demovae")
BLANK = b"\x89PNG\r\n\x1a\n" + bytes(4) + b"IHDR" + bytes([0, 0, 0, 9, 0, 0, 0, 9])


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Folder of the report, without pictures: those are tested from their tables."""

    def figure(name, paint, *, data=None, size=None, dpi=None, layout=None, **texts):
        assert data is not None and len(data), f"{name} has no table"
        return model.Figure(name=name, png=BLANK, data=data, **texts)

    config = yaml.safe_load((CASE / "config.yaml").read_text())
    config = {name: {**config.get(name, {}), "enabled": True} for name in STAGES} | {
        "data": config["data"]
    }
    out = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(draw, "figure", figure)
        return build(RESULTS, out, config, title="stored", anonymous=False).parent


@pytest.fixture(scope="module")
def html(report):
    return {stage: report / f"{stage}.html" for stage in STAGES}


def read(name):
    return pd.read_csv(RESULTS / name, sep="\t", na_values=["n/a"], keep_default_na=False)


def tables(page):
    """Captions and rows of the tables of a page."""
    return [(caption, found.to_dict("records")) for caption, found, _ in Shown(page).tables]


def table(page, words):
    """The rows of the one table whose caption holds some words."""
    (rows,) = [rows for caption, rows in tables(page) if words in caption]
    return rows


def text_of(page):
    """All that can be read on a page."""
    return Page(page.read_text("utf-8")).text


def drawn(report, name):
    """The table beside a picture."""
    return pd.read_csv(report / "figures" / f"{name}.tsv", sep="\t", na_values=["n/a"])


def test_every_picture_has_its_table_beside_it_and_a_link_to_it(report, html):
    files = sorted((report / "figures").rglob("*.png"))
    assert {file.parent.name for file in files} == set(STAGES)
    below = "".join(path.read_text("utf-8") for path in report.rglob("*.html"))
    whole = re.findall(r'<img src="[^"<>]+" alt="[^"<>]+" width="\d+" height="\d+"[^<>]*>', below)
    assert len(whole) == below.count("<img") > len(files)
    for file in files:
        assert len(drawn(report, f"{file.parent.name}/{file.stem}"))
        assert f"figures/{file.parent.name}/{file.stem}.tsv" in below
    names = {f"{file.parent.name}/{file.stem}" for file in files}
    assert names >= {
        *("fmri/mean_fd", "fmri/qc_fc", "fmri/connectome", "fmri/sub-01_task-rest_carpet"),
        *("fmri/sub-01_task-rest_slices", "adhd/scores_pooled", "adhd/mask_frequency"),
        *("adhd/roc_pooled", "adhd/threshold_dof", "demovae/associations", "demovae/readouts"),
        *("demovae/losses", "demovae/diagnosis_pooled", "demovae/edges", "demovae/eigenvalues"),
        *("demovae/group_maps", "demovae/privacy", "demovae/planted"),
    }


# fmri


def test_fmri_page_counts_runs_and_people(html):
    runs = read("fmri/runs.tsv")
    text = text_of(html["fmri"])
    assert f"{len(runs)} runs of {runs['participant_id'].nunique()} participants were" in text


QUALITY = {
    "Volumes": "n_volumes",
    "Minutes kept": "minutes_kept",
    "Mean FD, mm": "mean_fd",
    "Mean std DVARS": "mean_std_dvars",
    "Median tSNR": "median_tsnr",
    "Smallest coverage": "min_coverage",
    "Dof left": "dof_left",
    "Power in band": "in_band_power",
}


def test_quality_by_site_is_the_median_of_used_runs(html):
    qc = read("fmri/group_qc.tsv")
    rows = {row["Site"]: row for row in table(html["fmri"], "Quality measures by site")}
    assert set(rows) == set(qc["site"])
    for site, row in rows.items():
        own = qc[(qc["site"] == site) & (qc["status"] != "excluded")]
        everybody = (qc["site"] == site).sum()
        assert int(row["Runs used"]) == len(own)
        assert int(row["Runs excluded"]) == everybody - len(own)
        assert int(row["Participants"]) == own["participant_id"].nunique()
        for heading, key in QUALITY.items():
            assert shows(row[heading], statistics.median(own[key])), (site, key)


def test_quality_run_by_run_is_that_of_the_table(html):
    qc = read("fmri/group_qc.tsv").set_index("run_key")
    rows = table(html["fmri"], "Quality measures run by run")
    assert [row["Run"] for row in rows] == sorted(qc.index)
    more = {"Kept": "n_kept", "Largest FD, mm": "max_fd", "Share above FD limit": "frac_fd_over"}
    for row in rows:
        own = qc.loc[row["Run"]]
        assert row["Site"] == own["site"] and row["Status"] == own["status"]
        for heading, key in (QUALITY | more).items():
            assert shows(row[heading], own[key]), (row["Run"], key)


def test_qc_fc_on_the_page_is_that_of_the_edges(html, report):
    edges = read("fmri/qc_fc.tsv")
    rows = table(html["fmri"], "QC-FC before and after")
    assert [row["Confound removal"] for row in rows] == ["before", "after"]
    histogram = drawn(report, "fmri/qc_fc")
    for row in rows:
        own = edges[edges["stage"] == row["Confound removal"]].dropna(subset=["r"])
        assert int(row["Edges"]) == len(own)
        assert shows(row["Share with p < .05"], (own["p"] < 0.05).mean())
        assert shows(row["Median |r|"], statistics.median(abs(own["r"])))
        line = stats.linregress(own["distance_mm"], own["r"])
        assert shows(row["Slope, r per 100 mm"], 100 * line.slope)
        # of few edges, each fills its bin
        part = histogram[histogram["series"] == row["Confound removal"]]
        full = part[part["height"] > 0]
        assert all(((full["low"] <= r) & (r < full["high"])).any() for r in own["r"])


def test_motion_and_connectome_beside_the_pictures_are_those_of_the_results(report):
    qc, people = read("fmri/group_qc.tsv"), read("participants.tsv")
    cases = qc["participant_id"].map(dict(zip(people["participant_id"], people["dx"]))) == 1
    assert 0 < cases.sum() < len(cases)
    dots = drawn(report, "fmri/mean_fd").query("kind == 'run'")
    for series, own in (("Case", qc[cases]), ("Control", qc[~cases])):
        got = dots.loc[dots["series"] == series, "y"]
        assert np.allclose(sorted(got), sorted(own["mean_fd"]))
    with h5py.File(RESULTS / "fmri/connectomes.h5") as file:
        edges, index = file["edges"][()].astype(float), file["index"][()]
        regions = file["region"].asstr()[()]
    mean = drawn(report, "fmri/connectome").set_index("region")
    assert list(mean.index) == list(mean.columns) == list(regions)
    for number, (i, j) in enumerate(index):
        # one run per person
        assert mean.iloc[i, j] == pytest.approx(np.nanmean(edges[:, number]), abs=1e-6)
        assert mean.iloc[j, i] == mean.iloc[i, j]


def test_the_page_of_a_participant_shows_its_run(report):
    qc = read("fmri/group_qc.tsv").set_index("run_key").loc["sub-01_task-rest"]
    text = text_of(report / "pages/fmri_sub-01.html")
    told = re.search(r"sub-01_task-rest: mean FD (\S+) mm, (\S+) min kept", text)
    assert shows(told[1], qc["mean_fd"]) and shows(told[2], qc["minutes_kept"])
    with np.load(RESULTS / "fmri/sub-01/func/sub-01_task-rest_desc-figures_bold.npz") as arrays:
        carpet = drawn(report, "fmri/sub-01_task-rest_carpet")
        assert np.allclose(carpet["fd"], arrays["fd"], equal_nan=True)
        assert np.allclose(carpet["std_dvars"], arrays["std_dvars"], equal_nan=True)
        after = arrays["carpet_after"]
        assert np.allclose(carpet["after_0"], after[0], atol=0.006, equal_nan=True)


# adhd


def totals():
    scores = read("adhd/scores.tsv")
    return scores[(scores["fold"] == "all") & (scores["site"] == "all")].fillna({"mask": "none"})


WORDS = {
    "degree": "Degree",
    "distdegree": "Degree by distance",
    "cycle3": "3-cycles",
    "fc": "Connectome edges",
    "majority": "Majority class",
    "site": "Site",
    "phenotype": "Phenotype",
    "phenotype+site": "Phenotype + site",
    "motion": "Head motion",
    "cycle3+phenotype": "3-cycles + phenotype",
}
BASELINES = ("majority", "site", "phenotype", "phenotype+site", "motion")
SCHEMES = {"pooled": "Pooled folds", "leave_site_out": "Leave one site out"}


def in_words(name, mask):
    return WORDS[name] + (" + mask" if mask != "none" else "")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_scores_of_every_variant_are_those_of_the_table(html, scheme):
    scores = totals()
    scores = scores[scores["scheme"] == scheme]
    found = [rows for caption, rows in tables(html["adhd"]) if "every variant" in caption]
    rows = {row["Input"]: row for row in found[list(SCHEMES).index(scheme)]}
    variants = scores.groupby(["input", "mask"])
    assert set(rows) == {in_words(*key) for key in variants.groups}
    headings = {"balanced_accuracy": "Balanced accuracy", "auc": "AUC", "youden_j": "J"}
    headings |= {"sensitivity": "Sensitivity", "specificity": "Specificity"}
    for key, part in variants:
        row, values = rows[in_words(*key)], part.set_index("metric")
        for metric, heading in headings.items():
            value = values["value"].get(metric, np.nan)
            assert shows(row[heading], value), (key, metric)
        main = values.loc["balanced_accuracy"]
        ends = re.findall(r"[−\d.]+", row["95 % interval"])
        assert [shows(*pair) for pair in zip(ends, main[["ci_low", "ci_high"]])] == [True] * len(
            ends
        )
        null = re.findall(r"[−\d.]+", row["Null mean (SD)"])
        assert len(null) == (2 if np.isfinite(main["null_mean"]) else 0)
        assert all(shows(*pair) for pair in zip(null, main[["null_mean", "null_sd"]]))
        assert shows(row["p"], main["p"])


def test_the_sentence_quotes_the_primary_variant_its_null_and_the_best_baseline(html):
    scores = totals().query("metric == 'balanced_accuracy'")
    text = text_of(html["adhd"])
    for scheme, words in SCHEMES.items():
        own = scores[scores["scheme"] == scheme]
        main = own[own["primary"].astype(str) == "True"].iloc[0]
        told = re.search(
            rf"{words}: (.+?), declared in advance as the primary variant, reaches a balanced "
            r"accuracy of ([\d.]+) \(95 % interval \[([\d.]+), ([\d.]+)\]\); with diagnoses "
            r"shuffled within sites it reaches ([\d.]+) on average(?: \(p [=<] ([\d.]+)\))?\. "
            r"The best baseline without the brain, (.+?), reaches ([\d.]+)\.",
            text,
        )
        assert told[1] == in_words(main["input"], main["mask"])
        numbers = main[["value", "ci_low", "ci_high", "null_mean", "p"]]
        assert all(shows(word or "n/a", at) for word, at in zip(told.groups()[1:6], numbers))
        plain = own[
            own["input"].isin(["majority", "site", "phenotype", "phenotype+site", "motion"])
        ]
        best = plain["value"].max()
        assert shows(told[8], best)
        names = {WORDS[name].lower() for name in plain.loc[plain["value"] == best, "input"]}
        assert told[7] in names


def test_sites_graphs_and_masks_are_those_of_the_results(html, report):
    scores = read("adhd/scores.tsv").fillna({"mask": "none"})
    sites = scores[(scores["site"] != "all") & (scores["fold"] == scores["site"])]
    rows = table(html["adhd"], "Leave one site out, site by site")
    assert {row["Held-out site"] for row in rows} == set(sites["site"])
    for row in rows:
        own = sites[sites["site"] == row["Held-out site"]]
        own = own[[in_words(*key) == row["Input"] for key in zip(own["input"], own["mask"])]]
        values = own.set_index("metric")["value"]
        for key, heading in (("balanced_accuracy", "Balanced accuracy"), ("auc", "AUC")):
            assert shows(row[heading], values.get(key, np.nan))
        assert shows(row["Sensitivity"], values.get("sensitivity", np.nan))
        assert shows(row["Specificity"], values.get("specificity", np.nan))
    graphs = read("adhd/graphs.tsv")
    for row in table(html["adhd"], "Graphs by site"):
        own = graphs[graphs["site"] == row["Site"]]
        assert int(row["Runs"]) == len(own)
        assert shows(row["Density, %"], 100 * statistics.median(own["density"]))
        assert shows(row["Threshold r"], statistics.median(own["threshold"]))
        assert shows(row["Edges"], statistics.median(own["n_edges"]))
    mask = read("adhd/mask.tsv")
    bars = drawn(report, "adhd/mask_frequency")
    caption = re.search(r"Region mask of (.+?):", text_of(html["adhd"]))[1]
    mask = mask[mask["input"].map(WORDS) == caption]
    for row in bars.itertuples():
        kept = [
            str(value) in ("1", "True") for value in mask.loc[mask["region"] == row.region, "kept"]
        ]
        assert row.value == pytest.approx(100 * sum(kept) / len(kept))
    assert bars["value"].is_monotonic_decreasing


def test_region_maps_are_those_of_the_groups(html):
    maps = read("adhd/group_maps.tsv")
    for name, part in maps.groupby("map"):
        found = [
            rows
            for caption, rows in tables(html["adhd"])
            if caption.startswith(f"{WORDS[name]}: the ten regions")
        ]
        assert len(found) == 1
        part = part.set_index("region")
        assert {row["Region"] for row in found[0]} <= set(part.index)
        for row in found[0]:
            own = part.loc[row["Region"]]
            for heading, key in (("Controls", "control"), ("Cases", "case")):
                assert shows(row[heading], own[key])
            assert shows(row["Difference"], own["difference"]) and shows(row["p"], own["p"])


# demovae


def features_in_words(name):
    kind, _, size = name.partition("-")
    words = {"raw": "Raw connectomes", "pca": "Principal components", "network": "Network"}
    words |= {"residual": "Linear residuals", "linear": "Linear relative"}
    words |= {"demographics": "Demographics alone"}
    return words[kind] + (f", {size}" if size else "")


def target_in_words(target, machine):
    return target.replace("^2", "²") + (" (rbf)" if machine == "rbf" else "")


def test_readouts_on_the_page_are_held_out_ones_of_their_scheme(html):
    readouts = read("demovae/readouts.tsv")
    assert (readouts["train"] != readouts["heldout"]).any()
    words = {
        "halves": "These count",
        "folds": "Blind by",
        "leave_site_out": "Readouts fitted on all",
    }
    for scheme, caption in words.items():
        own = readouts[readouts["scheme"] == scheme]
        if own.empty:
            continue
        rows = {row["Features"]: row for row in table(html["demovae"], caption)}
        assert set(rows) == {*map(features_in_words, own["features"]), "Chance"}
        for one in own.itertuples():
            heading = target_in_words(one.target, one.model)
            assert shows(rows[features_in_words(one.features)][heading], one.heldout)
            assert shows(rows["Chance"][heading], one.chance)


def test_the_sentence_of_the_features_quotes_readouts_and_bounds(html):
    readouts, links = read("demovae/readouts.tsv"), read("demovae/associations.tsv")
    fresh = readouts.query("fit_on == 'fresh' and model == 'linear' and target != 'dx'")
    text = text_of(html["demovae"])
    told = re.search(r"(Network, \d+) latents, read out of held-out subjects: (.+?)\. ", text)
    (main,) = {name for name in fresh["features"] if features_in_words(name) == told[1]}
    found = re.findall(r"(\S+) (\S+) \(raw (\S+), chance (\S+), (R²|balanced accuracy)\)", told[2])
    assert len(found) == fresh["target"].nunique()
    for target, value, raw, chance, _ in found:
        part = fresh[fresh["target"].str.replace("^2", "²", regex=False) == target]
        part = part.set_index("features")
        assert shows(value, part.loc[main, "heldout"]) and shows(raw, part.loc["raw", "heldout"])
        assert shows(chance, part.loc[main, "chance"])
    own = links[(links["scheme"] == "folds") & (links["features"] == main)]
    over = own[own["max_abs_r_heldout"] > own["null_bound"]]["column"].tolist()
    end = f"a latent correlates with {', '.join(over)}." if over else "by more than chance allows."
    assert end in text
    n = links["n_train"].min()
    assert (f"fitted on has {n} runs" in text) == (n < 100)


def test_reconstruction_and_diagnosis_are_those_of_the_tables(html):
    errors = read("demovae/reconstruction.tsv").query("scheme == 'folds'")
    rows = {row["Features"]: row for row in table(html["demovae"], "Reconstruction, RMSE")}
    assert len(rows) == len(errors)
    for one in errors.itertuples():
        row = rows[features_in_words(one.features)]
        assert shows(row["Training subjects"], one.rmse_train)
        assert shows(row["Held-out subjects"], one.rmse_heldout)
    scores = read("demovae/dx_without_demographics.tsv")
    scores = scores[(scores["fold"] == "all") & (scores["site"] == "all")]
    for scheme, words in SCHEMES.items():
        own = scores[scores["scheme"] == scheme]
        if own.empty:
            continue
        rows = table(html["demovae"], f"{words}: diagnosis from every")
        for row in rows:
            part = own[own["input"].map(features_in_words) == row["Input"]].set_index("metric")
            main = part.loc["balanced_accuracy"]
            assert shows(row["Balanced accuracy"], main["value"])
            assert shows(row["AUC"], part.loc["auc", "value"])
            ends = re.findall(r"[−\d.]+", row["95 % interval"])
            assert [shows(*pair) for pair in zip(ends, main[["ci_low", "ci_high"]])] == [True, True]
            assert shows(row["Null mean"], main["null_mean"]) and shows(row["p"], main["p"])
        assert len(rows) == own["input"].nunique()


def test_samples_in_numbers_are_those_of_the_generation(html, report):
    maps = read("demovae/map_comparison.tsv")
    rows = table(html["demovae"], "Group maps of synthetic against held-out real")
    headings = {"r": "r", "r_halves": "r of real halves", "amplitude": "Amplitude"}
    headings |= {"rmse": "RMSE", "rms_real": "RMSE of a zero map"}
    for row, one in zip(rows, maps.to_dict("records"), strict=True):
        assert row["Group difference"] == one["map"].replace("^2", "²").replace("=", " = ")
        assert all(shows(row[heading], one[key]) for key, heading in headings.items())
    values = read("demovae/generation.tsv").set_index("name")
    rows = {row["Measure"]: row for row in table(html["demovae"], "connectomes in numbers")}
    for words, key in (
        ("Correlation of the mean connectomes", "mean_r"),
        ("Smallest eigenvalue", "min_eigenvalue"),
        ("Membership told from the reconstruction error, AUC", "membership_auc"),
        ("Readout of age trained on synthetic, tested on real people", "readout_age"),
        (
            "Readout of age trained on synthetic, tested on real people, RMSE in its unit",
            "rmse_age",
        ),
    ):
        assert shows(rows[words]["Synthetic"], values.loc[key, "value"]), key
        assert shows(rows[words]["Reference"], values.loc[key, "reference"]), key
    text = text_of(html["demovae"])
    near = values.loc["privacy_ratio", "value"]
    assert f"{100 * near:.0f} % of them lie nearer to a person of the training half" in text
    auc = re.search(r"from others with an AUC of ([\d.]+): never", text)[1]
    assert shows(auc, values.loc["membership_auc", "value"])
    dots = drawn(report, "demovae/privacy")
    with np.load(RESULTS / "demovae/generation.npz") as arrays:
        assert np.allclose(dots["y"], arrays["nearest_train"])
        assert np.allclose(dots["x"], arrays["nearest_heldout"])
        edges = drawn(report, "demovae/edges")
        sd = edges[edges["panel"] == "sd"]
        assert np.allclose(sd["x"], arrays["sd_real"])
        assert np.allclose(sd["y"], arrays["sd_synthetic"])


def test_planted_cohort_and_training_are_those_of_the_results(html, report):
    planted = read("demovae/planted.tsv")
    caption, rows = next(t for t in tables(html["demovae"]) if "Planted truth" in t[0])
    words = re.search(r"what came back, (.+?) latents", caption)[1]
    own = planted[[features_in_words(name).lower() == words for name in planted["features"]]]
    for row, one in zip(rows, own.to_dict("records"), strict=True):
        assert row["Effect"] == one["name"].replace("^2", "²").replace("=", " = ")
        assert shows(row["Planted"], one["planted"]) and shows(row["Recovered"], one["recovered"])
        assert shows(row["Error"], one["error"])
        assert shows(row["Raw, or regression on real"], one["baseline"])
    history = read("demovae/history.tsv")
    lines = drawn(report, "demovae/losses")
    rec = lines[lines["series"] == "training rows"].set_index("epoch")["value"]
    for one in history[history["epoch"] > 0].itertuples():
        assert rec[one.epoch] == pytest.approx(one.rec)
    used = json.loads((RESULTS / "demovae/model.json").read_text())["Epoch"]
    assert lines.loc[lines["panel"] == "used", "epoch"].tolist() == [used]


def test_every_figure_is_painted_from_its_table_with_its_own_labels(monkeypatch):
    for name in ("slices", "surface", "points", "connectome"):
        monkeypatch.setattr(brains, name, lambda *_: None)
    config = {"data": {"kind": "fmriprep"}, "fmri": {"fd_mm": 0.2, "min_seconds": 60}}
    found = redrawn(
        monkeypatch,
        lambda: [page.sections(RESULTS, config, Labels()) for page in (fmri, adhd, demovae)],
    )
    told = {
        "mean_fd": ("", "Mean FD (mm)"),
        "minutes_kept": ("", "Minutes kept"),
        "dof_left": ("", "Degrees of freedom left"),
        "in_band_power": ("", "Share of power in band"),
        "connectome": ("Region", "Region"),
        "scores_pooled": ("Balanced accuracy", ""),
        "mask_frequency": ("Training folds that kept the region (%)", ""),
        "threshold_dof": ("Degrees of freedom", "Correlation threshold r"),
        "diagnosis_pooled": ("Balanced accuracy", ""),
    }
    for name, labels in told.items():
        axes = found[name].axes[0]
        assert (axes.get_xlabel(), axes.get_ylabel()) == labels, name
    scale = found["connectome"].axes[0].images[0].get_clim()
    assert scale[1] == -scale[0] > 0
    for name, figure in found.items():
        if "regions" not in name and name != "connectome_brain":
            assert figure.picture.axes, name
