"""Sentences of the methods section about the fits of the stage hmmglm."""

from __future__ import annotations


def held_back(hmmglm) -> str:
    """How a fit ended, and what held couplings back."""
    if hmmglm["stop"] == "tuned":
        return (
            "Fits ended early, after the number of damped iterations that predicted every fourth "
            "segment of the training data best."
        )
    given = [
        f"{text} {hmmglm[key]:g}"
        for key, text in (("ridge", "a ridge of precision"), ("prior_sd", "a prior of SD"))
        if hmmglm[key] is not None
    ]
    chosen = [
        text
        for key, text in (
            ("ridge", "the ridge on couplings"),
            ("prior_sd", "the SD of their prior"),
        )
        if hmmglm[key] is None
    ]
    sentence = "Fits were run to convergence"
    if given:
        sentence += f" with {' and '.join(given)}"
    if chosen:
        sentence += (
            f"; {' and '.join(chosen)} were chosen on every fourth segment of the training data"
            if len(chosen) > 1
            else f"; {chosen[0]} was chosen on every fourth segment of the training data"
        )
    return sentence + "."


def covariates(hmmglm) -> list[str]:
    """What entered besides spikes; empty where nothing did."""
    given = hmmglm["covariates"]
    phrases = []
    acts = {"emissions": "entered the rates", "transitions": "drove the transitions"}
    for kind, what in acts.items():
        names = [k for k, one in given.items() if kind in one.get("acts_on", ["emissions"])]
        if names:
            phrases.append(f"{', '.join(names)} {what}")
    if not phrases:
        return []
    shared = "shared by the states" if hmmglm["covariate_weights"] == "shared" else "of each state"
    return [f"Of what was recorded beside the spikes, {'; '.join(phrases)}, with weights {shared}."]
