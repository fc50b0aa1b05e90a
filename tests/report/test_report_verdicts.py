"""Cards of the first page: which figures make a claim supported, not supported or unknown."""

import base64
import json
import re

import pytest

from neuro.report.pages import verdicts
from neuro.report.site import html, menu, model

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def claims(folder, stage, entries):
    (folder / stage).mkdir(exist_ok=True)
    (folder / stage / "report.json").write_text(json.dumps(entries))
    return verdicts.claims(folder, [stage])[stage]


def motion(value, n, before=0.4):
    name = "edges correlated with motion (p < .05)"
    used = {"name": "subjects used", "value": n, "n": n}
    return [used, {"name": name, "value": value, "null": 0.05, "baseline": before, "n": n}]


@pytest.mark.parametrize(
    ("value", "n", "word"),
    [
        (0.06, 100, "supported"),
        (0.10, 100, "supported"),
        (0.11, 100, "not supported"),
        (0.06, 20, "cannot tell"),
        (0.60, 20, "cannot tell"),
    ],
)
def test_motion(tmp_path, value, n, word):
    (claim,) = claims(tmp_path, "fmri", motion(value, n))
    assert claim.word == word
    assert f"{100 * value:.0f} % of edges follow head motion after cleaning (40 % before, 5 %" in (
        claim.sentence
    )


def test_without_motion_nothing_is_said_of_it(tmp_path):
    (claim,) = claims(tmp_path, "fmri", motion(None, 50))
    assert claim.word == "cannot tell" and "No motion is known" in claim.sentence


def accuracy(value, p, low, high, other=0.55):
    own = {
        "name": "balanced accuracy, cycle3, pooled",
        "value": value,
        "null": 0.5,
        "p": p,
        "n": 90,
    }
    own |= {"ci_low": low, "ci_high": high, "baseline": {"phenotype": other}}
    beside = {"name": "balanced accuracy, site, pooled", "value": 0.9, "p": 0.001, "baseline": None}
    return [own, beside]


@pytest.mark.parametrize(
    ("figures", "word"),
    [
        ((0.70, 0.01, 0.60, 0.80), "supported"),
        ((0.60, 0.06, 0.49, 0.70), "cannot tell"),
        ((0.51, 0.40, 0.44, 0.58), "not supported"),
    ],
)
def test_diagnosis(tmp_path, figures, word):
    (claim,) = claims(tmp_path, "adhd", accuracy(*figures))
    assert claim.word == word
    assert "0.50 with permuted labels" in claim.sentence


def test_the_diagnosis_is_compared_with_what_needs_no_brain(tmp_path):
    (claim,) = claims(tmp_path, "adhd", accuracy(0.60, 0.01, 0.52, 0.68, other=0.66))
    assert "no more than phenotype says without any brain (0.66)" in claim.sentence
    (claim,) = claims(tmp_path, "adhd", accuracy(0.70, 0.01, 0.62, 0.78, other=0.66))
    assert "; more than phenotype" in claim.sentence


def removal(age, site, raw_age=0.6, raw_site=0.9, n=400):
    rows = []
    for name, value, raw, null in (("age", age, raw_age, 0.0), ("site", site, raw_site, 0.2)):
        row = {"name": f"{name} read out of network-60 (linear, fresh)", "value": value, "n": n}
        rows.append({**row, "baseline": raw, "null": null})
        rows.append({"name": f"largest held-out correlation of network-60 with {name}", "n": n})
    kept = {"name": "dx read out of network-60 (linear, fresh)", "value": 0.9, "baseline": 0.9}
    return [*rows, {**kept, "null": 0.5, "n": n}]


@pytest.mark.parametrize(
    ("left", "word"),
    [((0.05, 0.25), "supported"), ((0.05, 0.40), "not supported"), ((0.2, 0.2), "not supported")],
)
def test_removal_goes_by_what_was_there(tmp_path, left, word):
    (claim,) = claims(tmp_path, "demovae", removal(*left))
    assert claim.word == word
    shares = [100 * left[0] / 0.6, 100 * (left[1] - 0.2) / 0.7]
    assert f"age {shares[0]:.0f} %, site {shares[1]:.0f} %" in claim.sentence
    assert "dx" not in claim.sentence


def test_nothing_can_be_removed_where_nothing_can_be_read(tmp_path):
    (claim,) = claims(tmp_path, "demovae", removal(0.0, 0.2, raw_age=0.1, raw_site=0.3, n=40))
    assert claim.word == "cannot tell"
    assert "40 people do not tell age and site either" in claim.sentence


@pytest.mark.parametrize(
    ("k", "n", "word"),
    [(0, 5, "not supported"), (1, 8, "cannot tell"), (1, 1, "supported"), (2, 5, "supported")],
)
def test_motifs(tmp_path, k, n, word):
    name = "fish: components that recur in held-out time (p <= .05)"
    entries = [{"name": "fish: components", "value": n}, {"name": name, "value": k, "n": n}]
    (claim,) = claims(tmp_path, "ntf", entries)
    assert claim.word == word and f"{k} of {n} motifs" in claim.sentence
    (claim,) = claims(tmp_path, "ntf", entries[:1])
    assert claim.word == "cannot tell" and "was not tested" in claim.sentence


def test_motifs_of_bold_recur_in_subjects(tmp_path):
    what = "held-out subjects (p <= .05), null: stationary series of the same connectome"
    entries = [
        {"name": "fmri: components", "value": 6},
        {"name": f"fmri: components that recur in {what}", "value": 6, "n": 6},
    ]
    (claim,) = claims(tmp_path, "ntf", entries)
    assert (
        claim.word == "supported" and "6 of 6 motifs recur in held-out subjects" in claim.sentence
    )


def test_states_go_by_the_ladder_of_their_own_set(tmp_path):
    def of(name, rates, couplings):
        text = {"ci_low": 0.01, "ci_high": 0.03, "value": 0.02}
        longer = f"{name}: states of rates add to one state with a longer history"
        more = f"{name}: states of couplings add to states of rates"
        return [
            {"name": f"{name}: number of states", "value": 3},
            {**text, "name": longer, "verdict": rates},
            {**text, "name": more, "verdict": couplings},
        ]

    entries = of("a", "supported", "cannot tell") + of("b", "not supported", "supported")
    first, second = claims(tmp_path, "hmmglm", entries)
    assert (first.word, second.word) == ("supported", "not supported")
    assert "0.020 [0.010, 0.030] to those (cannot tell)" in first.sentence
    (claim,) = claims(tmp_path, "hmmglm", of("a", "x", "y")[:1])
    assert claim.word == "cannot tell"


@pytest.mark.parametrize(
    ("verdict", "word"),
    [
        ("stable types", "supported"),
        ("number uncertain", "cannot tell"),
        ("none found by this search", "not supported"),
    ],
)
def test_types(tmp_path, verdict, word):
    entries = [
        {"name": "clusters (cells)", "value": 4, "n": 38},
        {"name": "verdict (cells)", "value": verdict, "n": 38},
        {"name": "agreement of types between halves (cells)", "value": 0.8},
        {"name": "plain clustering, Ward on responses, agreement (cells)", "value": 0.9},
        {"name": "plain clustering, GMM on responses, agreement (cells)", "value": 0.7},
        {"name": "plain clustering, GMM on responses, clusters (cells)", "value": 9},
    ]
    (claim,) = claims(tmp_path, "mds", entries)
    assert claim.word == word
    assert "4 groups of 38 cells" in claim.sentence
    assert "plain Ward on responses with 0.90" in claim.sentence


def test_images_by_objective_and_refusals(tmp_path):
    (tmp_path / "braindive").mkdir()
    lines = ["objective\trefused\tgain\tgain_low\tgain_high\tbest_gain\tverdict\twhy"]
    lines += ["face\tn/a\t0.9\t0.7\t1.1\t0.4\tsupported\tn/a"]
    lines += ["house\tn/a\t0.1\t-0.1\t0.2\t0.4\trefuted\tn/a"]
    lines += ["word\tn/a\t0.4\t0.2\t0.5\t0.4\tcannot tell\tpower"]
    lines += ["body\ttoo few voxels\t" + "\t".join(["n/a"] * 6)]
    (tmp_path / "braindive/summary.tsv").write_text("\n".join(lines) + "\n")
    found = claims(tmp_path, "braindive", [{"name": "x", "value": 1}])
    words = [claim.word for claim in found]
    assert words == ["supported", "not supported", "cannot tell", "cannot tell"]
    assert "face: guided images gain 0.90 [0.70, 1.10]" in found[0].sentence
    assert "unguided ones 0.40 (power)" in found[2].sentence
    assert found[3].sentence == "body: refused, too few voxels."


def figure(name):
    return model.Figure(name, PNG, "caption", "how", f"picture of {name}")


def test_a_card_shows_the_stages_picture_and_at_most_three_claims(tmp_path):
    entries = [
        {"name": f"{name}: components", "value": 2} for name in ("one", "two", "three", "four")
    ]
    claims(tmp_path, "ntf", entries)
    pages = [
        menu.Page(
            "ntf.html",
            "Motifs",
            [model.Section("ntf", "x", [figure("rank"), figure("one_motifs")])],
        ),
        menu.Page("methods.html", "Methods", [model.Section("methods", "y", [])]),
    ]
    heading, block = verdicts.cards(tmp_path, ["ntf"], pages)
    (card,) = block.cards
    assert card.picture.name == "one_motifs" and len(card.claims) == 3
    assert card.more == "and 1 more on the page"
    overall = menu.Page(
        "index.html", "Overview", [model.Section("overview", "z", [heading, block])]
    )
    text = html.page("t", "s", overall)
    (shown,) = re.findall(r'<article class="card">.*?</article>', text, re.S)
    assert shown.count('class="verdict cannot-tell">cannot tell<') == 3
    assert 'alt="picture of one_motifs"' in shown and 'href="ntf.html"' in shown
    assert base64.b64encode(PNG).decode() in shown


def test_a_stage_that_left_nothing_has_no_card(tmp_path):
    assert verdicts.cards(tmp_path, ["mds"], []) == []
