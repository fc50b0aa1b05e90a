"""Peers of benchmarks/hmmglm.py, in environments of their own: hmmlearn and dynamax; NeMoS.

    python benchmarks/hmmglm_peers.py ROW data.npz [TARGET]

Prints one line of JSON: CPU seconds of the fit (imports and compilation excluded), held-out
log-likelihood per bin, share of held-out bins in the planted state, and correlation of couplings.
NeMoS fits one state; TARGET is the held-out log-likelihood per bin that it is to reach.
"""

from __future__ import annotations

import json
import sys
import tempfile
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
        return jnp.asarray(past_of(counts, data["kernel"]).astype(np.float32))

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


def past_of(counts, kernel):
    """Filtered past of every neuron, shape (n, T, N); zero before a sequence begins."""
    import numpy as np

    past = np.zeros(counts.shape)
    for lag, weight in enumerate(kernel, start=1):
        past[:, lag:] += weight * counts[:, :-lag]
    return past


LIMITS = (10, 20, 40, 80, 160, 320)
"""Iterations of L-BFGS that are tried in turn."""
NEAR = 1e-4
"""Nats per held-out bin within which a figure counts as reached."""


def nemos_row(data, n_train, target, folder):
    """PopulationGLM, no ridge, L-BFGS: the fewest iterations tried that reach the held-out figure.

    Link and solver are named, all other settings are its defaults. It compiles anew for every fit,
    so compiled programs are kept in the folder, and CPU seconds are those of a second fit that
    finds them there: filtered past, tracing and iterations.
    """
    import jax
    import nemos
    import numpy as np
    from scipy.special import gammaln

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    counts, kernel = data["counts"].astype(float), data["kernel"]
    n = counts.shape[2]
    test, drive = counts[30:].reshape(-1, n), past_of(counts[30:], kernel).reshape(-1, n)

    def fit(most):
        model = nemos.glm.PopulationGLM(
            inverse_link_function=jax.lax.logistic,
            solver_name="LBFGS",
            solver_kwargs={"maxiter": most, "tol": 1e-10},
        )
        train = counts[:n_train]
        return model.fit(past_of(train, kernel).reshape(-1, n), train.reshape(-1, n))

    def held_out(model):
        rate = 1 / (1 + np.exp(-(drive @ np.asarray(model.coef_) + np.asarray(model.intercept_))))
        return float((test * np.log(rate) - rate - gammaln(test + 1)).sum() / len(test))

    for most in LIMITS:
        level = held_out(fit(most))
        if level >= target - NEAR:
            break
    begin = time.process_time()
    fit(most)
    spent = time.process_time() - begin
    return {"cpu": spent, "ll": level, "iterations": most, "reached": level >= target - NEAR}


ROWS = {
    "hmmlearn 10": lambda data: hmmlearn_row(data, 10),
    "hmmlearn 30": lambda data: hmmlearn_row(data, 30),
    "dynamax 3": lambda data: dynamax_row(data, 3),
}


def main(row, path, target=None):
    """Run one row in this process."""
    import numpy as np

    with np.load(path, allow_pickle=False) as file:
        data = {name: file[name] for name in file.files}
    if row == "nemos 30":
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(nemos_row(data, 30, float(target), folder)))
    else:
        print(json.dumps(ROWS[row](data)))


if __name__ == "__main__":
    main(*sys.argv[1:])
