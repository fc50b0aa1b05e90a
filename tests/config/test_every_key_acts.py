"""Every setting acts: another value changes what a rule writes, plans or refuses."""

import dataclasses
import functools
import tempfile
from pathlib import Path

import jobs_alone
import pytest
from every_key import KEYS
from every_key.entry import UNSET

from neuro.command.explain import options


def test_every_key_has_an_entry():
    assert set(KEYS) == set(options())


def outcome(entry, settings):
    """What a rule plans, or is given and writes."""
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "run"
        rule = "" if entry.rule == "all" else entry.rule
        if rule:
            jobs_alone.fill(entry.case or rule, folder)
        folder.mkdir(exist_ok=True)
        if entry.prepare:
            entry.prepare(folder)
        targets = [entry.target] if entry.target else jobs_alone.stored_targets(rule)
        jobs = jobs_alone.plan(folder, settings, targets, "" if entry.plan else rule)
        if entry.plan:
            return {
                f"{job.rule} {job.output}": (sorted(job.input), job.resources)
                for job in jobs
                if job.output
            }
        jobs = [job for job in jobs if job.rule == rule]
        given = [repr(sorted(job.params.items(), key=str)) for job in jobs]
        if entry.given:
            return given
        written = [jobs_alone.run(job, folder) for job in jobs]
        if entry.then:
            jobs = jobs_alone.plan(folder, settings, entry.then[1:], entry.then[0])
            written = [jobs_alone.run(job, folder) for job in jobs]
        assert any(written)
        return (given, written) if entry.work else written


@functools.cache
def _base(text):
    return outcome(*_BASES[text])


_BASES: dict = {}


def base_outcome(entry, settings):
    """The same, once for all keys that share rule and settings."""
    shared = dataclasses.replace(entry, value=None, under={}, base=None, refused="")
    text = repr((shared, settings))
    _BASES[text] = (entry, settings)
    return _base(text)


def settings_of(entry):
    """Settings under which a key acts."""
    case = entry.case or entry.rule
    stored = jobs_alone.only({}) if case == "all" else jobs_alone.case_settings(case)
    return jobs_alone.merged(stored, entry.under)


SLOW = {
    *("adhd.bootstrap", "adhd.permutations", "adhd.primary", "demovae.folds"),
    *("demovae.latent_dims", "demovae.permutations", "hmmglm.preset", "report.anonymous"),
}
"""Keys whose rule takes seconds even on the smallest input."""


@pytest.mark.parametrize(
    "key",
    [pytest.param(key, marks=pytest.mark.slow if key in SLOW else ()) for key in sorted(KEYS)],
)
def test_another_value_changes_what_a_rule_does(key):
    entry = KEYS[key]
    if entry.elsewhere:
        file, name = entry.elsewhere.split("::")
        assert f"\ndef {name}(" in (Path(__file__).parents[1] / file).read_text()
        return
    before = settings_of(entry)
    if entry.base is not UNSET:
        before = jobs_alone.merged(before, {key: entry.base})
    after = jobs_alone.merged(before, {key: entry.value})
    assert before != after
    usual = base_outcome(entry, before)
    if entry.refused:
        with pytest.raises(jobs_alone.Refused, match=entry.refused):
            outcome(entry, after)
        return
    found = outcome(entry, after)
    if entry.work:
        assert found[0] != usual[0]
        assert found[1] == usual[1]
    else:
        assert found != usual


RULES = {
    entry.rule: entry
    for entry in KEYS.values()
    if entry.base is UNSET
    and not (entry.plan or entry.work or entry.given or entry.refused or entry.elsewhere)
}


@pytest.mark.slow
@pytest.mark.parametrize("rule", sorted(RULES))
def test_the_same_settings_write_the_same(rule):
    settings = settings_of(RULES[rule])
    assert base_outcome(RULES[rule], settings) == outcome(RULES[rule], settings)
