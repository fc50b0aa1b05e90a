"""What each stage may claim, in a word and a sentence, for the first page of the report."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

from scipy.stats import binom

from neuro.report.pages import headline
from neuro.report.pages.methods import listing
from neuro.report.site import model
from neuro.report.site.tables import read_table

SUPPORTED, NOT, UNKNOWN = "supported", "not supported", "cannot tell"
"""The words of a verdict."""

PICTURES = {
    "fmri": ("qc_fc", "connectome"),
    "adhd": ("scores_pooled", "scores"),
    "demovae": ("planted", "referee", "readouts"),
    "ntf": ("motifs",),
    "hmmglm": ("ladder", "raster"),
    "mds": ("stimuli",),
    "braindive": ("grid", "verdicts"),
}
"""The picture that stands for a stage: words in its name, the first that exists."""

_MOST = 3
_LEFT = 0.1
_RAISED = 0.1


@dataclasses.dataclass(frozen=True)
class Claim:
    """One claim of a stage and what the data say about it.

    Attributes
    ----------
    word : {'supported', 'not supported', 'cannot tell'}
    sentence : str
        The figures behind the word.
    """

    word: str
    sentence: str


def claims(results, stages) -> dict[str, list[Claim]]:
    """The claims of each stage that has run, from its result files.

    Parameters
    ----------
    results : path-like
    stages : sequence of str

    Returns
    -------
    dict of str to list of Claim
        Stages without a headline have no claims. What decides:

        - fmri: at most 10 % of edges follow head motion (5 % by chance); below 25 people only
          correlations above .4 would show, so nothing can be told.
        - adhd: the primary analysis against its permuted labels at 5 %; not supported where its
          interval ends less than .1 above the null.
        - demovae: at most a tenth of what a linear reader knew of age, sex, site, ... is left,
          for columns that the raw connectomes tell by more than 2 / sqrt(n).
        - ntf: more motifs recur in held-out time than chance allows (binomial, 5 %).
        - hmmglm: states of rates add to one state with a longer history (the ladder).
        - mds: the verdict of the held-out gaps. braindive: the verdict of the panel.
    """
    results = Path(results)
    entries: dict[str, list[dict]] = {stage: [] for stage in stages}
    for entry in headline.read(results, stages):
        entries[entry["stage"]].append(entry)
    return {
        stage: _RULES[stage](own, results)
        for stage, own in entries.items()
        if own and stage in _RULES
    }


def cards(results, stages, pages) -> list:
    """One card per stage: its picture, its claims, the way to its page.

    Parameters
    ----------
    results : path-like
    stages : sequence of str
    pages : sequence of neuro.report.site.menu.Page
        The pages of the stages, with their figures.

    Returns
    -------
    list
        A block of the report; empty where no stage has anything to say.
    """
    said = claims(results, stages)
    made = []
    for page in pages:
        stage = page.path.removesuffix(".html")
        if stage not in said:
            continue
        figures = [figure for section in page.sections for figure in section.figures()]
        own = said[stage]
        lines = [(claim.word, claim.sentence) for claim in own[:_MOST]]
        more = f"and {len(own) - _MOST} more on the page" if len(own) > _MOST else ""
        picture = picture_of(stage, figures)
        made.append(model.Card(model.Link(page.title, page.path), picture, lines, more))
    return [model.Heading("What these data say"), model.Cards(made)] if made else []


def picture_of(stage: str, figures):
    """The figure that stands for a stage, or None."""
    for word in PICTURES.get(stage, ()):
        for figure in figures:
            if word in figure.name:
                return figure
    return figures[0] if figures else None


def _first(entries, word: str) -> dict | None:
    return next((entry for entry in entries if word in str(entry["name"])), None)


def _fmri(entries, results) -> list[Claim]:
    used = _first(entries, "subjects used")
    people = f"{used['value']} people have usable runs. " if used else ""
    motion = _first(entries, "edges correlated with motion")
    if motion is None or motion.get("value") is None:
        said = f"{people}No motion is known, so nothing can be said about what is left of it."
        return [Claim(UNKNOWN, said)]
    before = motion.get("baseline")
    said = f"{people}{_share(motion['value'])} of edges follow head motion after cleaning"
    said += f" ({_share(before)} before" if before is not None else " ("
    said += f"{', ' if before is not None else ''}{_share(motion['null'])} by chance)."
    seen = 1.96 / math.sqrt(max(motion["n"] - 3, 1))
    if seen > 0.4:
        few = f" With {motion['n']} people only correlations above {seen:.2f} would show."
        return [Claim(UNKNOWN, said + few)]
    return [Claim(SUPPORTED if motion["value"] <= 2 * motion["null"] else NOT, said)]


def _adhd(entries, results) -> list[Claim]:
    judged = [e for e in entries if isinstance(e.get("baseline"), dict) and e.get("p") is not None]
    return [_against_permuted(entry) for entry in judged]


def _against_permuted(entry) -> Claim:
    name, (other, reached) = entry["name"], next(iter(entry["baseline"].items()))
    said = f"{name[:1].upper()}{name[1:]}: {_number(entry['value'])}"
    said += f" [{_number(entry['ci_low'])}, {_number(entry['ci_high'])}]"
    said += f", {_number(entry['null'])} with permuted labels (p {model.p_value(entry['p'])})"
    more = "more than" if entry["value"] > reached else "no more than"
    said += f"; {more} {other} says without any brain ({_number(reached)})."
    if entry["p"] <= 0.05:
        return Claim(SUPPORTED, said)
    return Claim(NOT if entry["ci_high"] < entry["null"] + _RAISED else UNKNOWN, said)


def _demovae(entries, results) -> list[Claim]:
    removed = [e["name"].rsplit(" with ", 1)[1] for e in entries if "with " in e["name"]]
    real = {
        name: entry
        for name in removed
        for entry in entries
        if entry["name"].startswith(f"{name} read out of ") and "(linear, " in entry["name"]
    }
    planted = {
        entry["name"].split(" left in ")[0]: entry
        for entry in entries
        if " left in new people's latents" in entry["name"]
    }
    out = [_left(planted, "planted people: ")] if planted else []
    return out + ([_left(real, "")] if real else [])


def _left(read: dict, who: str) -> Claim:
    shares, silent = {}, []
    for name, entry in read.items():
        from_raw = (entry["baseline"] or 0) - (entry["null"] or 0)
        if from_raw <= 2 / math.sqrt(entry["n"]):
            silent.append(name)
        else:
            shares[name] = max(0.0, (entry["value"] - (entry["null"] or 0)) / from_raw)
    if not shares:
        n = next(iter(read.values()))["n"]
        said = f"{who}raw connectomes of {n} people do not tell {listing(silent)} either."
        return Claim(UNKNOWN, _sentence(said))
    said = ", ".join(f"{name} {_share(share)}" for name, share in shares.items())
    said = f"{who}left of what a linear reader knew of the raw connectomes: {said}."
    if silent:
        said += f" {listing(silent).capitalize()} could not be read there either."
    return Claim(SUPPORTED if max(shares.values()) <= _LEFT else NOT, _sentence(said))


def _ntf(entries, results) -> list[Claim]:
    out = []
    for count in (e for e in entries if str(e["name"]).endswith(": components")):
        name, n = str(count["name"]).removesuffix(": components"), int(count["value"])
        recurring = _first(entries, f"{name}: components that recur in held-out ")
        if recurring is None:
            said = f"{n} motifs; whether they recur was not tested."
            out.append(Claim(UNKNOWN, f"{name}: {said}"))
            continue
        k = int(recurring["value"])
        where = str(recurring["name"]).partition(" recur in ")[2].partition(" (")[0]
        said = f"{name}: {k} of {n} motifs recur in {where} beyond surrogates (p <= .05 each)."
        chance = binom.sf(k - 1, n, 0.05)
        word = SUPPORTED if k and chance <= 0.05 else NOT if not k else UNKNOWN
        out.append(Claim(word, said))
    return out


def _hmmglm(entries, results) -> list[Claim]:
    out = []
    for count in (e for e in entries if str(e["name"]).endswith(": number of states")):
        name = str(count["name"]).removesuffix(": number of states")
        own = [e for e in entries if str(e["name"]).startswith(f"{name}: ") and e.get("verdict")]
        rates, couplings = _first(own, ": states of rates add"), _first(own, "states of couplings")
        said = f"{name}: {count['value']} state{'s' * (count['value'] != 1)}."
        if rates is None:
            out.append(Claim(UNKNOWN, f"{said} Simpler models were not compared."))
            continue
        said += f" States of rates add {_gain(rates)} bits per spike to one state with a longer "
        said += "history"
        if couplings is not None:
            said += f", states of couplings {_gain(couplings)} to those ({couplings['verdict']})"
        out.append(Claim(rates["verdict"], f"{said}."))
    return out


def _gain(entry) -> str:
    return f"{entry['value']:.3f} [{entry['ci_low']:.3f}, {entry['ci_high']:.3f}]"


_TYPES = {"stable types": SUPPORTED, "number uncertain": UNKNOWN}


def _mds(entries, results) -> list[Claim]:
    out = []
    for entry in (e for e in entries if str(e["name"]).startswith("verdict (")):
        name = str(entry["name"])[len("verdict (") : -1]
        own = [e for e in entries if f"({name})" in str(e["name"])]
        count, halves = _first(own, "clusters ("), _first(own, "agreement of types")
        said = f"{name}: {entry['value']}"
        if count is not None and halves is not None and halves.get("value") is not None:
            said += f"; {count['value']} groups of {count['n']} cells, halves of the stimuli agree "
            said += f"on them with {_number(halves['value'])} (adjusted Rand index)"
        plain = [e for e in own if str(e["name"]).startswith("plain") and "agreement" in e["name"]]
        plain = [e for e in plain if e.get("value") is not None]
        if plain:
            best = max(plain, key=lambda e: e["value"])
            method = str(best["name"]).split(", ")[1]
            said += f", plain {method} with {_number(best['value'])}"
        out.append(Claim(_TYPES.get(entry["value"], NOT), f"{said}."))
    return out


def _braindive(entries, results) -> list[Claim]:
    summary = read_table(results / "braindive/summary.tsv", objective=str, verdict=str, why=str)
    if summary is None:
        return []
    return [_of_panel(row) for row in summary.to_dict("records")]


def _of_panel(row) -> Claim:
    name, refused = row["objective"], row.get("refused")
    if isinstance(refused, str):
        return Claim(UNKNOWN, f"{name}: refused, {refused}.")
    said = f"{name}: guided images gain {_number(row['gain'])} [{_number(row['gain_low'])}, "
    said += f"{_number(row['gain_high'])}] of what natural top images gain; the best of unguided "
    said += f"ones {_number(row['best_gain'])}"
    if isinstance(row.get("why"), str) and row["why"]:
        said += f" ({row['why']})"
    word = {"supported": SUPPORTED, "refuted": NOT}.get(row["verdict"], UNKNOWN)
    return Claim(word, f"{said}.")


_RULES = {
    "fmri": _fmri,
    "adhd": _adhd,
    "demovae": _demovae,
    "ntf": _ntf,
    "hmmglm": _hmmglm,
    "mds": _mds,
    "braindive": _braindive,
}


def _share(value) -> str:
    return f"{100 * value:.0f} %"


def _number(value) -> str:
    return model.number(float(value), 2)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
