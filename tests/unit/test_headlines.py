"""Every headline figure of the stored cases, recomputed from the stage's raw outputs.

Nothing of the package is used to recompute; stored reports, and joints that are called here, are
held against it. Joints that only pick and name figures also get made-up results whose mean,
maximum, training and held-out values all differ.
"""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

HERE = Path(__file__).parent


def read(case, side, path, **options):
    return pd.read_csv(HERE / case / side / "results" / path, sep="\t", **options)


def load(case, side, path):
    return np.load(HERE / case / side / "results" / path)


def report(case, path):
    entries = json.loads((HERE / case / "expected/results" / path).read_text())
    names = [entry["name"] for entry in entries]
    assert len(set(names)) == len(names)
    return dict(zip(names, entries))


def named(entries):
    """Entries by name."""
    return {entry["name"]: entry for entry in entries}


def agree(entries, expected, rel=1e-6):
    """All figures of a report are as expected, and no other is there."""
    assert entries.keys() == expected.keys()
    for name, fields in expected.items():
        for field, value in fields.items():
            found = entries[name][field]
            if isinstance(value, float) and not math.isnan(value):
                assert found == pytest.approx(value, rel=rel, abs=1e-9), (name, field)
            else:
                assert found == value, (name, field)


def test_adhd():
    from sklearn.metrics import balanced_accuracy_score

    case = "adhd_summary"
    seen = read(case, "data", "adhd/predictions.tsv")
    chunks = [read(case, "data", f"adhd/permutations/chunk-{part}.tsv") for part in (0, 1)]
    null = pd.concat(chunks).query("metric == 'balanced_accuracy'")

    def score(part):
        return np.mean(
            [balanced_accuracy_score(r.y, r.score > 0) for _, r in part.groupby("repeat")]
        )

    def figure(scheme, name, mask="none", baseline=None):
        part = seen[(seen.scheme == scheme) & (seen.input == name) & (seen["mask"] == mask)]
        value = score(part)
        turned = null[(null.scheme == scheme) & (null.input == name) & (null["mask"] == mask)].value
        p = (1 + (turned > value - 1e-9).sum()) / (1 + len(turned))
        return {
            "value": float(value),
            "null": float(turned.mean()),
            "p": float(p) if np.ptp(turned) > 0 else None,
            "n": part.participant_id.nunique(),
            "baseline": baseline,
        }

    expected = {}
    for scheme in ("pooled", "leave_site_out"):
        told = scheme.replace("_", " ")
        blind = {
            name: figure(scheme, name)
            for name in ("majority", "site", "phenotype", "phenotype+site", "motion")
            if ((seen.scheme == scheme) & (seen.input == name)).any()
        }
        best = max(blind, key=lambda name: blind[name]["value"])
        best = {best: blind[best]["value"]}
        for name, fields in {
            "cycle3+mask": figure(scheme, "cycle3", "mask", best),
            **{name: blind[name] for name in {"phenotype", *best}},
            "cycle3+phenotype": figure(scheme, "cycle3+phenotype"),
        }.items():
            expected[f"balanced accuracy, {name}, {told}"] = fields
    expected["balanced accuracy, site, pooled"] = figure("pooled", "site")
    entries = report(case, "adhd/report.json")
    sides = seen.groupby(["scheme", "repeat", "participant_id"]).fold.nunique()
    shared = {"value": int((sides > 1).sum()), "null": 0, "n": seen.participant_id.nunique()}
    agree(entries, expected | {"subjects shared by training and test": shared})

    from neuro.adhd.diagnosis import scores, variants

    table = variants.summarise(
        seen, pd.concat(chunks), primary="cycle3+mask", n_bootstrap=100, random_state=0
    )
    agree(named(scores.headline(table)), expected)

    # the interval: subjects drawn again, all their rows together
    rng = np.random.default_rng(1)
    part = seen[(seen.scheme == "pooled") & (seen.input == "cycle3") & (seen["mask"] == "mask")]
    rows = dict(list(part.groupby("participant_id")))
    draws = []
    while len(draws) < 400:
        drawn = pd.concat([rows[who] for who in rng.choice(list(rows), len(rows))])
        if drawn.y.nunique() == 2:
            draws.append(score(drawn))
    entry = entries["balanced accuracy, cycle3+mask, pooled"]
    # the stored one has 100 draws: its quantiles lie well inside these
    assert np.quantile(draws, 0.001) <= entry["ci_low"] <= np.quantile(draws, 0.1)
    assert np.quantile(draws, 0.9) <= entry["ci_high"] <= np.quantile(draws, 0.999)


def test_demovae():
    case, main = "demovae_summary", "network-3"
    tables = {
        name: read(case, "data", f"demovae/{name}.tsv")
        for name in ("readouts", "associations", "reconstruction", "generation", "planted")
    }
    dx = read(case, "data", "demovae/dx_without_demographics.tsv")
    units = {"r2": "R2", "balanced_accuracy": "balanced accuracy"}
    expected = {}
    held = tables["readouts"].query("scheme == 'halves' and fit_on == 'fresh'")
    wide = held.pivot(index=["target", "model"], columns="features", values="heldout")
    for row in held[held.features == main].itertuples():
        expected[f"{row.target} read out of {main} ({row.model}, fresh)"] = {
            "value": float(wide.loc[(row.target, row.model), main]),
            "baseline": float(wide.loc[(row.target, row.model), "raw"]),
            "null": {
                **{"age": 0.0, "age^2": 0.0, "log_mean_fd": 0.0, "log_mean_fd^2": 0.0},
                "site": 0.333333333,
            }.get(row.target, 0.5),
            "unit": units[row.metric],
            "n": 48,
        }
    held = tables["associations"].set_index(["scheme", "features", "column"])
    for column in ("age", "sex", "site", "log_mean_fd"):
        row = held.loc[("folds", main, column)]
        assert row.max_abs_r_train < 1e-6 < row.max_abs_r_heldout
        expected[f"largest held-out correlation of {main} with {column}"] = {
            "value": float(row.max_abs_r_heldout),
            "null": float(row.null_bound),
            "n": 16,
        }
    expected["people shared by training and test"] = {
        "value": 0.0,
        "n": int(held.n_train.iloc[0] + held.n_test.iloc[0]),
    }
    error = tables["reconstruction"].query("scheme == 'folds'").set_index("features").rmse_heldout
    expected[f"held-out reconstruction of {main}"] = {
        "value": float(error[main]),
        "baseline": float(error["pca-3"]),
    }
    made = tables["generation"].set_index("name")
    for name, key in {
        "samples nearer to a training subject than to any other": "privacy_ratio",
        "membership recognised from the reconstruction error": "membership_auc",
        "people behind the samples told by an attack on the samples alone": "attack_samples",
        "people behind the model told by an attack on its weights": "attack_weights",
        "samples told from real people by their eigenvalues": "told_apart_eigenvalues",
        "samples told from real people by a linear machine": "told_apart_linear",
        "samples told from real people by an RBF machine": "told_apart_rbf",
    }.items():
        expected[name] = {
            "value": float(made.value[key]),
            "null": float(made.reference[key]),
        }
    ratio = made.value["sd_synthetic"] / made.value["sd_real"]
    expected["edge standard deviation, synthetic over real"] = {"null": None}
    entries = report(case, "demovae/report.json")
    # a ratio of means over edges or a mean of ratios: near each other, on the same side of 1
    assert entries["edge standard deviation, synthetic over real"]["value"] == pytest.approx(
        ratio, rel=0.05
    )
    whole = dx.query("fold == 'all' and metric == 'balanced_accuracy'")
    sides = dx[dx.fold == "all"].pivot(
        index=["scheme", "input"], columns="metric", values=["value", "null_mean"]
    )
    for row in whole.itertuples():
        if row.input not in ("raw", "demographics", main):
            continue
        both = sides.loc[(row.scheme, row.input)]
        alone = (row.scheme, "demographics") in sides.index and row.input != "demographics"
        expected[f"diagnosis from {row.input}, {row.scheme.replace('_', ' ')}"] = {
            "value": float(both["value"][["sensitivity", "specificity"]].mean()),
            "null": float(both["null_mean"][["sensitivity", "specificity"]].mean()),
            "baseline": float(sides.loc[(row.scheme, "demographics")]["value"]["balanced_accuracy"])
            if alone
            else None,
            "ci_low": row.ci_low,
            "ci_high": row.ci_high,
            "n": 48,
        }
    ours = tables["planted"].query("features == 'network-4'")
    for row in ours[(ours.group == "removed") & (ours.name != "age^2")].itertuples():
        expected[f"{row.name} left in new people's latents"] = _planted(row, row.planted)
    row = next(ours[ours.group == "kept"].itertuples())
    expected["people's own factors, kept in latents"] = _planted(row, 0.0)
    maps = ours[(ours.group == "maps") & (ours.unit == "r")]
    assert len(maps) == 6
    expected["maps of samples, mean of 6"] = {
        "value": float(maps.recovered.sum() / 6),
        "baseline": float(maps.baseline.sum() / 6),
        "error": round(1 - float(maps.recovered.sum() / 6), 4),
        "n": 60,
    }
    scanned = read(case, "data", "demovae/phenotypes.tsv")
    told = scanned[scanned.q < 0.05].groupby(["features", "bottleneck"]).size()
    for (name, size), words in {
        ("none", 0): "raw connectomes",
        ("none", 3): "3 principal components",
        ("combat_residual", 3): "3 principal components after ComBat and linear residuals",
        ("network", 3): "3 latents of the network",
    }.items():
        expected[f"columns of 6 that {words} tell (q < .05)"] = {
            "value": float(told.get((name, size), 0)),
            "baseline": float(told.get(("none", 0), 0)) if (name, size) != ("none", 0) else None,
            "n": 48,
        }
    agree(entries, expected)

    from neuro.demovae.evaluation import headline

    made = headline.figures(*list(tables.values())[:4], dx, main=main, planted=tables["planted"])
    agree(named([*made, *headline.scanned(scanned)]), expected)


def _planted(row, null):
    return {
        "value": float(row.recovered),
        "baseline": float(row.baseline),
        "null": float(null),
        "planted": round(float(row.planted), 4),
        "recovered": round(float(row.recovered), 4),
        "error": round(abs(row.planted - row.recovered), 4)
        if row.group != "removed"
        else round(row.recovered - row.planted, 4),
        "n": row.n,
    }


def _one_motif_each(factors, truth, beside):
    """Mean AUROC of the pairs of planted communities in the best assignment; the best baseline."""
    from sklearn.metrics import roc_auc_score

    left, right = factors["pair_index"].T
    both = factors["pairs"].astype(float)
    size = np.abs(both[: len(left)] - both[len(left) :])
    planted = truth.loc[factors["names"]].to_numpy()
    inside = (planted[left] == planted[right]) & (planted[left] >= 0)
    table = np.array([[roc_auc_score(one, motif) for motif in size.T] for one in inside.T])
    best = max(table[0, 0] + table[1, 1], table[0, 1] + table[1, 0]) / 2
    others = beside[~beside["method"].isin(["motifs", "PCA-ICA, 3 more"])]
    return float(best), float(others["auroc"].max())


def _against_planted(factors, found, truth):
    """Correlation with the epochs, and agreement of the communities, condition by condition."""
    from sklearn.metrics import adjusted_mutual_info_score

    correlation, agreement = [], []
    for name in truth:
        on = (factors["condition"] == name) & factors["on"]
        each = [np.corrcoef(course, on)[0, 1] for course in factors["time"].T]
        best = int(np.argmax(each))
        correlation.append(each[best])
        part = truth[name][truth[name] >= 0]
        labels = found[found.component == best + 1].set_index("neuron").label
        agreement.append(adjusted_mutual_info_score(part, labels[part.index]))
    return correlation, agreement


def test_ntf_communities_that_are_right_in_one_condition_only(tmp_path):
    """The stored run finds all planted communities; here two neurons of one condition change
    places in the truth, so that a mean, a maximum and the first condition are three figures."""
    from types import SimpleNamespace

    from neuro.ntf import files
    from neuro.ntf.communities import known

    folder, case = "ntf/simulated", "ntf_communities"
    arrays = load(case, "data", f"{folder}/factors.npz")
    found = read(case, "expected", f"{folder}/communities.tsv").query("backend == 'networkx'")
    truth = read(case, "data", "simulated/calcium/truth.tsv").set_index("neuron")
    second = truth[truth.columns[1]]
    one, other = (second.index[second == label][0] for label in (0, 1))
    truth.loc[[one, other], second.name] = [1, 0]
    correlation, agreement = _against_planted(arrays, found, truth)
    assert agreement[0] - agreement[1] > 0.2 and np.ptp(correlation) > 0.01
    truth.reset_index().to_csv(tmp_path / "truth.tsv", sep="\t", index=False)
    factors = files.read_factors(HERE / case / f"data/results/{folder}/factors.npz")
    communities = [
        SimpleNamespace(labels=part.set_index("neuron").label[factors.names].to_numpy())
        for _, part in found.groupby("component")
    ]
    table, rows = known.compare("simulated", factors, communities, [], [tmp_path / "truth.tsv"])
    np.testing.assert_allclose(table["ami"], agreement, atol=1e-9)
    value = {row["name"]: row["value"] for row in rows}
    what = "simulated: communities of the neurons that take part"
    np.testing.assert_allclose(value[what], np.mean(agreement), atol=1e-9)
    what = "simulated: time courses against the planted epochs"
    np.testing.assert_allclose(value[what], np.mean(correlation), rtol=1e-5)


def test_ntf():
    folder, case = "ntf/simulated", "ntf_communities"
    factors = load(case, "data", f"{folder}/factors.npz")
    axes = load(case, "data", f"{folder}/axes.npz")
    null = load(case, "data", f"{folder}/null_0.npz")
    tensor = load("ntf_factorize", "data", f"{folder}/tensor.npy").astype(float)
    truth = read(case, "data", "simulated/calcium/truth.tsv").set_index("neuron")
    found = read(case, "expected", f"{folder}/communities.tsv").query("backend == 'networkx'")
    recurs = read(case, "expected", f"{folder}/recurrence.tsv")
    tested = read(case, "expected", f"{folder}/components.tsv").query("backend == 'networkx'")

    seen = axes["frame_mask"][:, :, None] & axes["pair_mask"][None]
    model = np.einsum(
        "r,tr,ar,pr->tap", *(factors[key] for key in ("lambda", "time", "animals", "pairs"))
    )
    explained = 1 - ((tensor - model)[seen] ** 2).sum() / (tensor[seen] ** 2).sum()
    assert not np.isclose(null["explained"].mean(), null["explained"].max())
    correlation, agreement = _against_planted(factors, found, truth)
    assert np.ptp(correlation) > 0.01
    one_each, simple = _one_motif_each(
        factors, truth, read(case, "expected", f"{folder}/baselines.tsv")
    )
    n_animals, n_found = len(axes["animals"]), len(factors["lambda"])
    moved = "null: traces moved about the common rate"
    expected = {
        "pairs of planted groups, one motif each (baseline: the best simple method)": {
            "value": one_each,
            "baseline": simple,
            "null": 0.5,
            "n": 2,
        },
        "motifs": {"value": n_found, "planted": 2, "recovered": n_found, "error": 0, "n": 3},
        "time courses against the planted epochs": {"value": float(np.mean(correlation)), "n": 2},
        "communities of the neurons that take part": {
            "value": float(np.mean(agreement)),
            "null": 0.0,
            "error": round(1 - float(np.mean(agreement)), 3),
            "n": 2,
        },
        "components": {"value": factors["time"].shape[1], "n": n_animals},
        f"explained energy, {moved}": {
            "value": float(explained),
            "null": float(null["explained"].sum() / 2),
            "n": n_animals,
        },
        "agreement of restarts": {
            "value": float(factors["similarity"].mean()),
            "n": len(factors["errors"]),
        },
        "neurons": {"value": len(axes["names"]), "n": n_animals},
        "recordings shared by training and test": {"value": 0, "n": n_animals},
        f"components with communities beyond chance (networkx), {moved}": {
            "value": int((tested.p_adjusted <= 0.05).sum()),
            "null": 0.05 * len(tested),
            "n": len(tested),
        },
        "components that recur in held-out time (p <= .05), null: neurons moved by 4 s": {
            "value": int((recurs.z > recurs.null_95).sum()),
            "null": 0.05 * len(recurs),
            "n": len(recurs),
        },
    }
    expected = {f"simulated: {name}": fields for name, fields in expected.items()}
    agree(report("ntf_summary", "ntf/report.json"), expected, rel=1e-5)
    agree(report(case, f"{folder}/report.json"), expected, rel=1e-5)


def test_mds():
    from sklearn.metrics import adjusted_rand_score

    case = "mds_select"
    units = read(case, "expected", "mds/flicker/clusters.tsv")
    runs = load(case, "data", "mds/flicker/runs/part_0.npz")
    stimuli = np.load(HERE / case / "data/input/flicker.npz")["stimuli"]
    # one continuous flicker: what could repeat is a stretch, much longer than the twin's 6 lags
    split, length = int(0.8 * len(stimuli)), 40
    windows = [
        {stimuli[k : k + length].tobytes() for k in range(low, high - length + 1)}
        for low, high in ((0, split), (split, len(stimuli)))
    ]
    assert all(windows) and not np.isclose(units.twin_corr.mean(), units.twin_corr.max())
    expected = {
        "clusters": {"value": units.cluster[units.cluster > 0].nunique()},
        "verdict": {"value": "stable types"},
        "agreement of restarts": {
            "value": adjusted_rand_score(runs["labels_0"], runs["labels_1"]),
            "null": 0.0,
        },
        "twin's test correlation": {"value": float(units.twin_corr.mean()), "null": 0.0},
        "stimuli shared by training and test": {"value": len(windows[0] & windows[1])},
        "known types": {"value": adjusted_rand_score(units.known_type, units.cluster)},
    }
    held = units[units.held_out == 1]
    held_ari = adjusted_rand_score(held.known_type, held.cluster)
    expected["known types, held out"] = {"value": held_ari, "n": len(held)}
    n_fitted = len(units) - len(held)
    new = np.load(HERE / case / "data/input/new.npz")["responses"]
    # With one repeat only equal answers are left untyped.
    same = (new == new[:1]).all(axis=0)
    expected["new cells left untyped"] = {"value": same.mean(), "n": len(same)}
    for name in ("clusters", "verdict", "agreement of restarts"):
        expected[name]["n"] = n_fitted
    # ON and OFF are so far apart that every halving gives the same two groups.
    expected["agreement of types between halves"] = {"value": 1.0, "n": n_fitted}
    plain = read(case, "expected", "mds/flicker/baselines.tsv")
    for method, part in plain.groupby("method"):
        top = part.loc[part.agreement.idxmax()]
        what = f"plain clustering, {method} on {top.features}"
        expected[f"{what}, clusters"] = {"value": top.n_clusters, "n": n_fitted}
        expected[f"{what}, agreement"] = {"value": top.agreement, "n": n_fitted}
        expected[f"{what}, known types"] = {"value": top.known_type_ari}
    expected = {
        f"{name} (flicker)": {"n": len(units)} | fields for name, fields in expected.items()
    }
    agree(report("mds_summary", "mds/report.json"), expected)


MDS = {
    "K": 5,
    "verdict": "no stable types",
    "restart_ari": 0.41,
    "restart_ari_min": 0.2,
    "restart_ari_max": 0.6,
    "twin_corr": 0.7,
    "known_type_ari": 0.5,
    "held_out_ari": 0.3,
    "n_units": 40,
    "n_known": 31,
    "n_held_out": 8,
    "n_fitted": 30,
    "n_known_held_out": 6,
    "n_restarts": 4,
    "n_excluded": 3,
}


def test_mds_tells_the_twins_and_what_the_taken_one_explains():
    from neuro.mds.headlines import headline

    twins = [
        {"twin": "network", "test": 0.3, "fev": 0.2, "n_units_fev": 9, "chosen": 0},
        {"twin": "energies", "test": 0.5, "fev": 0.6, "n_units_fev": 8, "chosen": 1},
    ]
    rows = {row["name"]: (row["value"], row["n"]) for row in headline("toy", MDS, twins=twins)}
    assert rows["twin beside, network (toy)"] == (0.3, 40)
    assert rows["twin taken, energies (toy)"] == (0.5, 40)
    assert rows["twin's explainable variance explained (toy)"] == (0.6, 8)
    twins[1]["fev"] = None
    assert not any("explained" in row["name"] for row in headline("toy", MDS, twins=twins[1:]))


def test_mds_picks_mean_and_held_out_values_that_differ():
    from neuro.mds.headlines import headline

    typed = {"ari": 0.8, "n": 12, "n_repeats": 9, "n_ties": 1}
    rows = headline("toy", MDS, {"n_types": 8}, typed, shared=2)
    assert [(row["name"], row["value"], row["n"], row.get("error")) for row in rows] == [
        ("clusters (toy)", 5, 30, -3),
        ("verdict (toy)", "no stable types", 30, None),
        ("agreement of restarts (toy)", 0.41, 30, None),
        ("twin's test correlation (toy)", 0.7, 40, None),
        ("stimuli shared by training and test (toy)", 2, 40, None),
        ("known types (toy)", 0.5, 31, 0.5),
        ("known types, held out (toy)", 0.3, 6, 0.7),
        ("new cells typed with 9 repeats (toy)", 0.8, 12, pytest.approx(0.2)),
    ]


def test_braindive():
    import h5py

    case = "braindive_judge"
    scores = read(case, "expected", "braindive/scores.tsv")
    card = read(case, "data", "braindive/scenes/encoder_card.tsv")
    other = read(case, "data", "braindive/scenes/independent_card.tsv")
    with h5py.File(HERE / case / "data/results/simulated/scenes.h5") as file:
        tier = file["tier"].asstr()[:]
        pictures = [picture.tobytes() for picture in file["stimuli"][:]]
    sides = [
        {picture for picture, name in zip(pictures, tier) if (name == "test") == test}
        for test in (False, True)
    ]
    assert all(sides)
    gain = (scores.B - scores.B_twin).to_numpy()
    # of two seeds, every resample of two is one, the other, or their mean
    draws = [np.mean(pair) for pair in itertools.product(gain, repeat=2)]
    assert not np.isclose(card.r2.median(), card.r2.mean())
    expected = {
        "median R2 of the guide on test images": {
            "value": float(np.sort(card.r2)[len(card) // 2 - 1 : len(card) // 2 + 1].mean()),
            "null": 0.0,
            "n": len(card),
        },
        "median R2 of the independent encoder on test images": {
            "value": float(np.sort(other.r2)[len(other) // 2 - 1 : len(other) // 2 + 1].mean()),
            "n": len(other),
        },
        "images shared by training and test": {"value": len(sides[0] & sides[1]), "null": 0},
        "face: gain under the independent encoder": {
            "value": float(gain.mean()),
            "ci_low": float(min(draws)),
            "ci_high": float(max(draws)),
            "null": 0.0,
            "n": len(scores),
        },
    }
    agree(report(case, "braindive/report.json"), expected, rel=1e-5)


def test_braindive_picks_the_judges_gain_and_the_share_of_guided_images():
    from neuro.braindive.final import headline

    row = {
        "objective": "face",
        "n": 16,
        "gain_A": 0.9,
        "gain_B": 0.4,
        "ci_low": 0.1,
        "ci_high": 0.6,
        "J": 0.75,
        "J_twin": 0.25,
        "preferred": "face",
    }
    card, other = (pd.DataFrame({"r2": values}) for values in ([0.1, 0.2, 0.9], [0.3, 0.5, 1.0]))
    rows = headline(pd.DataFrame([row]), card, other, planted=True, shared=3)
    assert [(item["name"], item["value"], item["baseline"], item["n"]) for item in rows] == [
        ("median R2 of the guide on test images", 0.2, None, 3),
        ("median R2 of the independent encoder on test images", 0.5, None, 3),
        ("images shared by training and test", 3, None, 1),
        ("face: gain under the independent encoder", 0.4, None, 16),
        ("face: share seen as face", 0.75, 0.25, 16),
    ]
    assert (rows[3]["ci_low"], rows[3]["ci_high"]) == (0.1, 0.6)
    assert rows[3]["recovered"] == "75 % seen as face"
    assert rows[3]["error"] == "25 % other (unguided: 75 %)"


def test_hmmglm():
    from scipy import stats
    from sklearn.metrics import balanced_accuracy_score

    folder, case = "hmmglm/planted", "hmmglm_export"
    sweep = read(case, "data", f"{folder}/sweep.tsv")
    states = read(case, "expected", f"{folder}/states.tsv")
    weights = read(case, "expected", f"{folder}/weights.tsv")
    prior = read(case, "expected", f"{folder}/prior.tsv")
    truth = load(case, "data", "simulated/spikes_truth.npz")

    def best(model, k):
        """The start with the best training objective of every fold."""
        part = sweep[(sweep.model == model) & (sweep.k == k)].sort_values("objective")
        return part.groupby("fold").tail(1).sort_values("fold")

    def gain(rows):
        """Bits per spike over all held-out spikes."""
        return (rows.test_bits_per_spike * rows.test_spikes).sum() / rows.test_spikes.sum()

    ours = best("onehot", 2)
    bits = ours.test_bits_per_spike.to_numpy()
    every = sweep[(sweep.model == "onehot") & (sweep.k == 2)]
    assert not np.isclose(gain(ours), every.test_bits_per_spike.max())
    assert not np.isclose(gain(ours), bits.mean())
    half = stats.t.ppf(0.975, 1) * bits.std(ddof=1) / np.sqrt(2)
    top = every.groupby("fold").objective.transform("max")
    close = (every.objective >= top - 1e-4 * top.abs()).mean()

    planted = truth["states"]
    # the most probable state of each bin, not the most probable path
    table = states.assign(likely=(states.p_1 < states.p_2).astype(int))
    here = table.pivot(index="sequence", columns="bin", values="likely").to_numpy()
    hits = {order: (np.array(order)[here] == planted).mean() for order in ((0, 1), (1, 0))}
    order = max(hits, key=hits.get)
    adjacency = truth["adjacency"][list(order)].ravel()
    sign = weights.sort_values(["state", "target", "source"], kind="stable").sign.to_numpy()
    shared = truth["prior"].argmax(axis=-1).ravel() - 1
    chance = sorted((adjacency == 0, adjacency != 0), key=np.mean)[1].mean()
    reached = np.average(ours.test_ll_per_bin, weights=ours.test_bins)
    optimum = truth["log_likelihood"].sum() / planted.size
    expected = {
        "number of states": {"value": 2, "n": 2},
        "held-out log-likelihood over constant rates": {
            "value": float(gain(ours)),
            "ci_low": float(gain(ours) - half),
            "ci_high": float(gain(ours) + half),
            "n": 2,
        },
        "smallest occupancy": {"n": 2},
        "starts within 0.01 % of the best": {"value": float(close), "n": 4},
        "share of possible edges that are present": {
            "value": float((weights.sign != 0).mean()),
            "n": len(weights),
        },
        "stretches shared by training and test": {"value": 0, "null": 0, "n": len(truth["states"])},
        "number of states found": {"value": 2, "planted": 2, "error": 0, "n": 4},
        "bins in the planted state": {
            "value": float(hits[order]),
            "baseline": float(max(planted.mean(), 1 - planted.mean())),
            "error": float(1 - hits[order]),
            "n": planted.size,
        },
        "balanced accuracy of edges": {
            "value": float(balanced_accuracy_score(adjacency, sign)),
            "baseline": 1 / 3,
            "n": adjacency.size,
        },
        "accuracy of edges": {
            "value": float((adjacency == sign).mean()),
            "baseline": float(chance),
            "n": adjacency.size,
        },
        "edges of the shared graph": {
            "value": float((prior.sign.to_numpy() == shared).mean()),
            "baseline": float((shared == 0).mean()),
            "n": shared.size,
        },
        "held-out log-likelihood of a bin": {
            "value": float(reached),
            "planted": float(optimum),
            "error": float(optimum - reached),
            "n": int(ours.test_bins.sum()),
        },
    }
    ladder = read(case, "data", f"{folder}/ladder.tsv").set_index("rung")
    for rung, below, words in (
        ("glm", "rates", "couplings add to constant rates"),
        ("rate_states", "history", "states of rates add to one state with a longer history"),
        ("coupling_states", "rate_states", "states of couplings add to states of rates"),
    ):
        row = ladder.loc[rung]
        expected[words] = {
            "value": row.bits_per_spike - ladder.bits_per_spike[below],
            "null": 0,
            "ci_low": row.gain_low,
            "ci_high": row.gain_high,
            "n": len(truth["states"]),
        }
    expected = {f"planted: {name}": fields for name, fields in expected.items()}
    entries = report("hmmglm_summary", "hmmglm/report.json")
    agree(entries, expected, rel=1e-5)
    agree(report(case, f"{folder}/report.json"), expected, rel=1e-5)
    baseline = entries["planted: held-out log-likelihood over constant rates"]["baseline"]
    assert baseline == {
        "HMM without couplings": pytest.approx(gain(best("poisson_hmm", 2))),
        "one state": pytest.approx(gain(best("onehot", 1))),
    }
    share = states[["p_1", "p_2"]].mean().min()
    assert entries["planted: smallest occupancy"]["value"] == pytest.approx(share, abs=0.01)
