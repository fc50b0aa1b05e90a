"""Peers of benchmarks/hmmglm.py, in an environment of their own: hmmlearn and dynamax.

    python benchmarks/hmmglm_peers.py ROW data.npz

Prints one line of JSON: CPU seconds of the fit (imports and compilation excluded), held-out
log-likelihood per bin, share of held-out bins in the planted state, and correlation of couplings.
"""

from __future__ import annotations

import json
import sys
import time


def match(found, planted):
    """Accuracy after the best matching of states, and that matching."""
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    k = max(found.max(), planted.max()) + 1
    table = np.bincount(found * k + planted, minlength=k * k).reshape(k, k)
    rows, columns = linear_sum_assignment(-table)
    order = np.empty(k, int)
    order[columns] = rows
    return table[rows, columns].sum() / table.sum(), order


def hmmlearn_row(data, n_train, n_starts=3):
    """PoissonHMM, best of several starts; it has no couplings."""
    import numpy as np
    from hmmlearn.hmm import PoissonHMM

    counts, states = data["counts"], data["states"]
    n_bins, n_neurons = counts.shape[1:]
    train = counts[:n_train].reshape(-1, n_neurons)
    test = counts[30:].reshape(-1, n_neurons)
    lengths = [n_bins] * n_train
    PoissonHMM(5, n_iter=1, random_state=0).fit(train[:200])
    begin = time.process_time()
    best = None
    for seed in range(n_starts):
        model = PoissonHMM(5, n_iter=100, tol=1, random_state=seed).fit(train, lengths)
        score = model.score(train, lengths)
        if best is None or score > best[0]:
            best = score, model
    spent = time.process_time() - begin
    held = [n_bins] * (len(counts) - 30)
    found = best[1].predict_proba(test, held).argmax(axis=1)
    accuracy, _ = match(found, states[30:].ravel())
    return {
        "cpu": spent,
        "ll": best[1].score(test, held) / len(test),
        "acc": float(np.round(accuracy, 6)),
    }


def dynamax_row(data, n_train, n_iter=20):
    """A custom emission for dynamax: Poisson, sigmoid link, couplings; Adam in the M-step."""
    from typing import NamedTuple

    import jax
    import jax.numpy as jnp
    import jax.random as jr
    import numpy as np
    import tensorflow_probability.substrates.jax.distributions as tfd
    from dynamax.hidden_markov_model.models.abstractions import HMM, HMMEmissions
    from dynamax.hidden_markov_model.models.initial import StandardHMMInitialState
    from dynamax.hidden_markov_model.models.transitions import StandardHMMTransitions
    from dynamax.parameters import ParameterProperties

    class Emission(NamedTuple):
        bias: object
        weights: object

    class Parameters(NamedTuple):
        initial: object
        transitions: object
        emissions: object

    class Couplings(HMMEmissions):
        def __init__(self, k, n):
            super().__init__(m_step_num_iters=50)
            self.num_states, self.n = k, n

        emission_shape = property(lambda self: (self.n,))
        inputs_shape = property(lambda self: (self.n,))

        def initialize(self, key=None, method="prior"):
            noise = 0.1 * jr.normal(key, (self.num_states, self.n, self.n))
            parameters = Emission(jnp.zeros(self.n), noise)
            return parameters, Emission(ParameterProperties(), ParameterProperties())

        def distribution(self, params, state, inputs=None):
            rate = jax.nn.sigmoid(params.bias + params.weights[state] @ inputs)
            return tfd.Independent(tfd.Poisson(rate=rate), reinterpreted_batch_ndims=1)

        def log_prior(self, params):
            return 0.0

    class Switching(HMM):
        def __init__(self, k, n):
            super().__init__(
                k,
                StandardHMMInitialState(k),
                StandardHMMTransitions(k, stickiness=0.0),
                Couplings(k, n),
            )

        inputs_shape = property(lambda self: (self.emission_component.n,))

        def initialize(self, key):
            keys = jr.split(key, 3)
            stay = 0.98 * jnp.eye(5) + 0.005 * (1 - jnp.eye(5))
            parts = [
                self.initial_component.initialize(keys[0], method="prior"),
                self.transition_component.initialize(keys[1], transition_matrix=stay),
                self.emission_component.initialize(keys[2]),
            ]
            values, properties = zip(*parts)
            return Parameters(*values), Parameters(*properties)

    def inputs(counts):
        past = np.zeros_like(counts, dtype=np.float32)
        for lag, weight in enumerate(data["kernel"], start=1):
            past[:, lag:] += weight * counts[:, :-lag]
        return jnp.asarray(past)

    counts, states = data["counts"].astype(np.float32), data["states"]
    n_neurons = counts.shape[2]
    train, drive = jnp.asarray(counts[:n_train]), inputs(counts[:n_train])
    model = Switching(5, n_neurons)

    def fit(n):
        values, properties = model.initialize(jr.PRNGKey(0))
        return model.fit_em(values, properties, train, inputs=drive, num_iters=n, verbose=False)

    fit(1)
    begin = time.process_time()
    values, _ = fit(n_iter)
    jax.block_until_ready(values.emissions.weights)
    spent = time.process_time() - begin
    total, found = 0.0, []
    for item, past in zip(counts[30:], inputs(counts[30:])):
        post = model.smoother(values, jnp.asarray(item), past)
        total += float(post.marginal_loglik)
        found.append(np.asarray(post.smoothed_probs).argmax(axis=1))
    accuracy, order = match(np.concatenate(found), states[30:].ravel())
    weights = np.asarray(values.emissions.weights)[order]
    r = np.corrcoef(weights.ravel(), data["weights"].ravel())[0, 1]
    n_bins = counts[30:].shape[0] * counts.shape[1]
    return {"cpu": spent, "ll": total / n_bins, "acc": float(accuracy), "r": float(r)}


ROWS = {
    "hmmlearn 10": lambda data: hmmlearn_row(data, 10),
    "hmmlearn 30": lambda data: hmmlearn_row(data, 30),
    "dynamax 3": lambda data: dynamax_row(data, 3),
}


def main(row, path):
    """Run one row in this process."""
    import numpy as np

    with np.load(path, allow_pickle=False) as file:
        data = {name: file[name] for name in file.files}
    print(json.dumps(ROWS[row](data)))


if __name__ == "__main__":
    main(*sys.argv[1:])
