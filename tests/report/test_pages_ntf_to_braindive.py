"""Pages of ntf, hmmglm, mds and braindive of the stored case: what they say and what is true."""

import functools
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from shown import Shown, said

from neuro.report import build
from neuro.report.figures import draw
from neuro.report.pages.ntf import STRICT

CASE = Path(__file__).parents[1] / "unit/report"
RESULTS = CASE / "data/results"
STAGES = ("ntf", "hmmglm", "mds", "braindive")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Folder of a report of the four stages, drawn coarsely."""
    out = tmp_path_factory.mktemp("report")
    settings = yaml.safe_load((CASE / "config.yaml").read_text())
    config = {name: {"enabled": True, **settings[name]} for name in STAGES}
    with pytest.MonkeyPatch.context() as patch:
        coarse = functools.partial(draw.figure, layout=None)
        patch.setattr(draw, "figure", lambda *a, dpi=0, **more: coarse(*a, dpi=20, **more))
        build(RESULTS, out, config, anonymous=False)
    return out


def read(name):
    return pd.read_csv(RESULTS / name, sep="\t", na_values=["n/a"], keep_default_na=False)


def test_every_figure_has_its_table_beside_it_and_a_link(report):
    for stage in STAGES:
        page = (report / f"{stage}.html").read_text("utf-8")
        links = re.findall(r'href="(figures/[^"]+\.tsv)"', page)
        assert len(links) == page.count("<figure") >= 6
        for link in links:
            table = pd.read_csv(report / link, sep="\t")
            assert len(table) and (report / link).with_suffix(".png").is_file()


def test_ntf(report):
    page, components = Shown(report / "ntf.html"), read("ntf/simulated/components.tsv")
    nulls = read("ntf/simulated/nulls.tsv")
    _, table, strong = page.table("Components. Share")
    assert len(table) == len(components)
    for shown, row in zip(table.to_dict("records"), components.itertuples()):
        assert shown["Component"] == str(row.component) and shown["Search"] == row.backend
        assert shown["Share"] == said(row.share, 3)
        assert shown["Animals"] == said(row.participation, 1)
        assert shown["Groups"] == said(row.n_communities, 0)
        assert shown["Statistic"] == said(row.statistic, 3)
        own = nulls[nulls["backend"] == row.backend]["statistic"]
        assert shown["Surrogates, 95 %"] == said(np.percentile(own, 95), 3)
        assert shown["p"] == said(row.p_adjusted, 3)
    assert strong == components["significant"].astype(bool).tolist()
    first = components[components["backend"] == components["backend"][0]]
    assert (
        f"{first['significant'].sum()} of {len(first)} components have more community structure "
        f"({first['backend'].iloc[0]}) than surrogates, in which every trace kept the common "
        f"rate and was otherwise moved by some seconds; chance gives {said(0.05 * len(first), 2)}."
    ) in page.text
    with np.load(RESULTS / "ntf/simulated/factors.npz") as file:
        n_neurons, n_animals = len(file["names"]), len(file["animal_names"])
    assert f"of {n_neurons} neurons or regions in {n_animals} animals or subjects." in page.text
    assert (STRICT.strip() in page.text) == (nulls["null"] == "rate").all()
    known, (_, table, _) = read("ntf/simulated/known.tsv"), page.table("What was planted")
    for shown, row in zip(table.to_dict("records"), known.itertuples()):
        assert list(shown.values()) == [
            row.condition,
            said(row.component, 0),
            said(row.correlation, 2),
            said(row.ami, 2),
        ]


def test_ntf_figures_agree_with_what_other_rules_wrote(report):
    folder = report / "figures/ntf_simulated"
    loads = pd.read_csv(folder / "simulated_animals.tsv", sep="\t")
    presence = read("ntf/simulated/presence.tsv")
    for row in loads.itertuples():
        own = (presence["component"] == row.component) & (presence["animal"] == row.animal)
        assert row.value == pytest.approx(presence.loc[own, "loading"].item(), rel=1e-5)
    courses = pd.read_csv(folder / "simulated_time.tsv", sep="\t")
    stimuli = courses[courses["mark"] == "stimulus"]
    for row in read("ntf/simulated/known.tsv").itertuples():
        course = courses[(courses["mark"] == "course") & (courses["component"] == row.component)]
        middle = (course["start_s"] + course["end_s"]) / 2
        on = np.zeros(len(course))
        for epoch in stimuli[stimuli["label"] == row.condition].itertuples():
            on[(middle > epoch.start_s) & (middle < epoch.end_s)] = 1
        assert np.corrcoef(on, course["value"])[0, 1] == pytest.approx(row.correlation, abs=1e-4)


def test_hmmglm(report):
    page, folder = Shown(report / "hmmglm.html"), "hmmglm/planted"
    states, dwell = read(f"{folder}/states.tsv"), read(f"{folder}/dwell.tsv")
    rates, weights = read(f"{folder}/rates.tsv"), read(f"{folder}/weights.tsv")
    _, table, _ = page.table("States, the most frequent first")
    assert table["State"].tolist() == [str(k) for k in sorted(weights["state"].unique())]
    for shown in table.to_dict("records"):
        k = int(shown["State"])
        observed = states["state"].to_numpy()[states["state"] > 0]
        assert shown["Share of time, %"] == said(100 * np.mean(observed == k), 1)
        visits = dwell[dwell["state"] == k]
        assert shown["Visits"] == said(len(visits), 0)
        whole = visits["duration_s"].to_numpy()[visits["cut"] == 0]
        assert shown["Median dwell, s"] == said(np.median(whole) if len(whole) else np.nan, 2)
        rate = np.mean(rates["rate_hz"].to_numpy()[rates["state"] == k])
        assert shown["Mean rate, spikes/s"] == said(rate, 3)
        sign = weights["sign"].to_numpy()[weights["state"] == k]
        assert shown["Excitatory edges"] == said(np.sum(sign == 1), 0)
        assert shown["Inhibitory edges"] == said(np.sum(sign == -1), 0)
    facts = json.loads((RESULTS / folder / "model.json").read_text())
    curve = read(f"{folder}/curve.tsv")
    curve = curve[curve["score"].notna()]
    _, table, strong = page.table("Held-out score of the best start")
    for shown, row, bold in zip(table.to_dict("records"), curve.itertuples(), strong):
        assert shown["States"] == said(row.k, 0)
        assert shown["Nats per bin"] == said(row.score, 4)
        assert shown["Bits per spike over constant rates"] == said(row.bits_per_spike, 4)
        assert shown["Standard error"] == said(row.bits_se, 4)
        assert (shown["BIC"], shown["AIC"]) == (said(row.bic, 0), said(row.aic, 0))
        own = row.model == facts["Parameters"]["model"] and row.k == weights["state"].max()
        assert bold == own
    assert len(table) == len(curve) and sum(strong) == 1
    with np.load(RESULTS / folder / "counts.npz") as file:
        n_bins = sum(file[name].sum() for name in file.files if name.startswith("mask_"))
        units = file["seq_0"].shape[1]
    k = weights["state"].max()
    assert f"K = {k}, {units} units, {said(n_bins, 0)} bins of 0.05 s" in page.text


def test_mds(report):
    page, clusters = Shown(report / "mds.html"), read("mds/planted/clusters.tsv")
    found = json.loads((RESULTS / "mds/planted/summary.json").read_text())
    with np.load(RESULTS / "mds/planted/matrices.npz") as file:
        ari = file["ari"][np.triu_indices(len(file["ari"]), 1)]
    assert f"agreement of its {found['n_restarts']} restarts {said(ari.mean(), 2)}." in page.text
    assert "Types with gaps between them: groups made on half" in page.text
    assert found["verdict"] == "stable types" and found["K"] == 2
    assert f"{found['K']} groups, {found['n_groups_strict']} at the stricter level" in page.text
    twins, (_, table, strong) = read("mds/planted/twins.tsv"), page.table("Twins on the same")
    assert strong == (twins["chosen"] == 1).tolist() and sum(strong) == 1
    assert table["Twin"].tolist() == twins["twin"].tolist()
    for shown, key in (("Validation", "validation"), ("Test", "test"), ("Ceiling", "ceiling")):
        assert table[shown].tolist() == [said(value, 3) for value in twins[key]]
    metrics = json.loads((RESULTS / "mds/planted/twin_metrics.json").read_text())
    assert metrics["why"] in page.text
    ways, (_, table, _) = read("mds/planted/protocols.tsv"), page.table("Typing of cells")
    assert table["Typed by"].tolist() == ways["protocol"].tolist()
    assert table["Accuracy"].tolist() == [said(value, 2) for value in ways["accuracy"]]
    used = clusters[clusters["cluster"] > 0]
    n_clusters, objective = used["cluster"].nunique(), found["J"]
    assert (
        f"{len(used)} units in {n_clusters} clusters, objective J {said(objective, 3)} of at most "
        f"{said(np.log(n_clusters), 3)}, saturation exp(J)/K "
        f"{said(np.exp(objective) / n_clusters, 2)}."
    ) in page.text
    held = (used["held_out"] == 1).sum()
    assert f"{held} took no part in the search" in page.text
    _, table, _ = page.table("Clusters. Margin")
    assert table["Cluster"].tolist() == [str(k) for k in sorted(used["cluster"].unique())]
    for shown in table.to_dict("records"):
        part = used[used["cluster"] == int(shown["Cluster"])]
        drive = np.sort(part.filter(like="r_to_mds_").to_numpy(), axis=1)
        assert shown["Units"] == said(len(part), 0)
        assert shown["Held out"] == said((part["held_out"] == 1).sum(), 0)
        # the best stimulus beside the second best, where there is one
        margin = np.median(drive[:, -1] - drive[:, -2]) if drive.shape[1] > 1 else np.nan
        assert shown["Margin"] == said(margin, 2)
        weight = np.exp((drive - drive[:, -1:]) / found["temperature"])
        assert shown["Probability"] == said(np.median(1 / weight.sum(axis=1)), 2)
        assert shown["Twin"] == said(part["twin_corr"].mean(), 2)
        count = part["known_type"].value_counts()
        name, n, total = re.fullmatch(r"(.+) \((\d+) of (\d+)\)", shown[table.columns[-1]]).groups()
        assert int(n) == count.max() == count[name] and int(total) == count.sum()
    restarts, (_, table, strong) = read("mds/planted/restarts.tsv"), page.table("Restarts; bold")
    assert strong == (restarts["kept"] == 1).tolist() and sum(strong) == 1
    assert table["Objective J"].tolist() == [said(value, 3) for value in restarts["objective"]]
    assert table["Clusters"].tolist() == [said(value, 0) for value in restarts["n_clusters"]]
    assert table["Units seen"].tolist() == [said(value, 0) for value in restarts["n_seen"]]
    typed = read("mds/planted/assignments.tsv")
    assert (
        f"{len(typed)} new cells were typed from {typed['n_repeats'].iloc[0]} repeats of the "
        f"{n_clusters} stimuli, without the twin; {typed['tie'].sum()} had several best stimuli."
    ) in page.text
    from sklearn.metrics import adjusted_rand_score

    sure = typed[typed["cluster"] > 0]
    assert f"{len(typed) - len(sure)} are untyped" in page.text
    likeness = adjusted_rand_score(sure["known_type"], sure["cluster"]) if len(sure) else np.nan
    assert f"Adjusted Rand index with their types: {said(likeness, 2)}." in page.text


def test_braindive(report):
    page, scores = Shown(report / "braindive.html"), read("braindive/scores.tsv")
    summary = read("braindive/summary.tsv")
    natural = read("braindive/natural.tsv")
    _, table, _ = page.table("Gains are in standard deviations")
    assert table["Objective"].tolist() == summary["objective"].tolist()
    for shown, row in zip(table.to_dict("records"), summary.itertuples()):
        part = scores[scores["objective"] == row.objective]
        gain = (part["B"] - part["B_twin"]).to_numpy()
        assert shown["Seeds"] == said(len(part), 0)
        assert shown["Gain, guide"] == said((part["A"] - part["A_twin"]).mean(), 2)
        assert shown["Gain, independent"] == said(gain.mean(), 2)
        error = gain.std(ddof=1) / np.sqrt(len(gain))
        assert shown["Paired t"] == said(gain.mean() / error, 1)
        ends = [float(text.replace("−", "-")) for text in shown["95 % interval"][1:-1].split(", ")]
        assert ends == pytest.approx([row.ci_low, row.ci_high], abs=0.0051)
        assert ends[0] <= round(gain.mean(), 2) <= ends[1]
        best = natural[
            (natural["objective"] == row.objective) & (natural["chosen_by"] == "prediction")
        ]
        assert shown["Best natural, B"] == said(best["B"].mean(), 2)
        assert shown["Correction"] == said(part["correction_ratio"].mean(), 2)
        assert shown["Flag"] == ("adversarial" if row.adversarial else "")
        for key, column in (("Category, %", "J"), ("Unguided, %", "J_twin")):
            assert shown[key] == said(100 * part[column].astype(float).mean(), 0)
    verdicts = summary["verdict"].value_counts()
    assert (
        f"Of {len(summary)} objectives ({summary['n'].max()} seeds each): "
        f"{verdicts.get('supported', 0)} supported, {verdicts.get('refuted', 0)} refuted, "
        f"{verdicts.get('cannot tell', 0)} cannot tell."
    ) in page.text
    _, table, _ = page.table("Gains are counted in units")
    shown = dict(zip(table["Objective"], table["Verdict"]))
    assert shown == dict(zip(summary["objective"], summary["verdict"]))
    guide = read("braindive/scenes/encoder_card.tsv")
    other = read("braindive/scenes/independent_card.tsv")
    _, table, _ = page.table("Encoders on test images")
    for shown in table.to_dict("records"):
        mine = guide[guide["roi"] == shown["Region"]]
        assert shown["Voxels"] == said(len(mine), 0)
        assert shown["R², guide"] == said(mine["r2"].median(), 3)
        same = other[other["voxel"].isin(mine["voxel"])]
        assert shown["R², independent"] == said(same["r2"].median(), 3)
    assert set(table["Region"]) == set(guide["roi"])


def test_braindive_figures_are_of_their_own_objective(report):
    scores = read("braindive/scores.tsv")
    for row in read("braindive/summary.tsv").itertuples():
        part = scores[scores["objective"] == row.objective].set_index("seed")
        folder = report / f"figures/braindive-{row.folder}"
        pairs = pd.read_csv(folder / f"pairs_{row.folder}.tsv", sep="\t")
        pairs = pairs[pairs["mark"] == "seed"].set_index("seed")
        assert pairs["guided"].to_dict() == pytest.approx(part["B"].to_dict())
        assert pairs["unguided"].to_dict() == pytest.approx(part["B_twin"].to_dict())
        grid = pd.read_csv(folder / f"grid_{row.folder}.tsv", sep="\t", na_values="n/a")
        for image in grid[grid["line"] == "guided"].itertuples():
            assert image.score == pytest.approx(part.loc[image.seed, "B"])
            assert image.file == f"scenes/{row.folder}/seed-{int(image.seed)}.png"
        traces = pd.read_csv(folder / f"traces_{row.folder}.tsv", sep="\t")
        for seed, steps in traces.groupby("seed"):
            path = RESULTS / f"braindive/scenes/{row.folder}/seed-{seed}.json"
            trace = json.loads(path.read_text())["trace"]
            want = [step["activation"] for step in trace]
            assert steps["activation"].tolist() == pytest.approx(want)
