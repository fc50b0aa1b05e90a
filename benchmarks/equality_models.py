"""Cases of the table of equality: statistics, classifiers, factors, spikes, diffusion."""

from __future__ import annotations

import functools

import numpy as np
from equality_case import Case


def _ledoit_wolf():
    from sklearn.covariance import ledoit_wolf as theirs

    from neuro.stats.shrinkage import ledoit_wolf

    values = np.random.default_rng(0).normal(size=(150, 120)) @ np.diag(np.linspace(0.5, 3, 120))
    values -= values.mean(axis=0)
    return lambda: ledoit_wolf(values), lambda: theirs(values, assume_centered=True)[0]


def _fdr():
    from scipy.stats import false_discovery_control

    from neuro.stats.false_discovery import adjusted_p

    p = np.random.default_rng(0).random(5000) ** 3
    return lambda: adjusted_p(p), lambda: false_discovery_control(p)


@functools.cache
def _people(n=300, n_features=8, n_labels=20):
    """Component scores with correlated rows, and several label vectors."""
    from neuro.adhd.diagnosis.lda import principal_components

    rng = np.random.default_rng(1)
    Z = rng.normal(size=(n, n_features)) @ rng.normal(size=(n_features, n_features))
    labels = rng.random((n, n_labels)) < 0.4
    Z += 0.5 * labels[:, :1]
    Z -= Z.mean(axis=0)
    loadings, scatter = principal_components(Z, n_features)
    return Z @ loadings, scatter, labels


def _ours_lda(shrinkage):
    from neuro.adhd.diagnosis.lda import discriminant

    scores, scatter, labels = _people()
    weights, threshold = discriminant(scores, scatter, labels.astype(float), shrinkage)
    return scores @ weights - threshold


def _lda():
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    scores, _, labels = _people()

    def theirs():
        plain = LinearDiscriminantAnalysis(solver="svd", priors=[0.5, 0.5])
        found = [plain.fit(scores, one).decision_function(scores) for one in labels.T]
        return np.column_stack(found)

    return lambda: _ours_lda(None), theirs


def _lda_shrunk(explicit):
    def make():
        from sklearn.covariance import LedoitWolf
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

        scores, _, labels = _people()

        def theirs():
            columns = []
            for case in labels.T:
                high, low = scores[case].mean(axis=0), scores[~case].mean(axis=0)
                within = np.where(case[:, None], scores - high, scores - low)
                pooled = LedoitWolf(assume_centered=True)
                if explicit:
                    w = np.linalg.solve(pooled.fit(within).covariance_, high - low)
                    columns.append((scores - (high + low) / 2) @ w)
                else:
                    auto = LinearDiscriminantAnalysis("lsqr", shrinkage="auto", priors=[0.5, 0.5])
                    columns.append(auto.fit(scores, case).decision_function(scores))
            return np.column_stack(columns)

        return lambda: _ours_lda("auto"), theirs

    return make


def _svm():
    from sklearn.svm import LinearSVC

    from neuro.adhd.diagnosis.linear import svm_dual

    scores, _, labels = _people()

    def ours():
        gram = scores @ scores.T + 1
        return gram @ svm_dual(gram, labels, 0.01)

    def theirs():
        plain = LinearSVC(C=0.01, class_weight="balanced", tol=1e-9, max_iter=100_000)
        return np.column_stack(
            [plain.fit(scores, one).decision_function(scores) for one in labels.T]
        )

    return ours, theirs


def _logistic():
    from sklearn.linear_model import LogisticRegression

    from neuro.adhd.diagnosis.linear import logistic_weights

    scores, _, labels = _people()

    def theirs():
        plain = LogisticRegression(C=0.7, class_weight="balanced", tol=1e-10, max_iter=2000)
        found = []
        for one in labels.T:
            plain.fit(scores, one)
            found.append(np.append(plain.coef_[0], plain.intercept_))
        return np.array(found)

    return lambda: logistic_weights(scores, labels, 0.7), theirs


def _ridge():
    from sklearn.linear_model import Ridge

    from neuro.encoding.ridge import fit_ridge

    rng = np.random.default_rng(2)
    X = rng.normal(size=(400, 120)) + 1
    Y = X @ rng.normal(size=(120, 300)) + 5 * rng.normal(size=(400, 300))
    centred = X - X.mean(axis=0)
    alpha = 0.3 * np.linalg.eigvalsh(centred.T @ centred).mean()

    def ours():
        found = fit_ridge(X, Y, alphas=(0.3,), cv=2)
        return [found.coef, found.intercept]

    def theirs():
        found = Ridge(alpha=alpha).fit(X, Y)
        return [found.coef_, found.intercept_]

    return ours, theirs


def _hals():
    """Relative error after each of 30 sweeps, and the factors at the end."""
    from tensorly.cp_tensor import CPTensor, cp_to_tensor
    from tensorly.decomposition import non_negative_parafac_hals

    from neuro.ntf import NonNegativeCP
    from neuro.simulate.motifs import planted_tensor

    values = planted_tensor((80, 8, 300), 4, 0.3)[0].astype(np.float32)
    rng = np.random.default_rng(3)
    first = CPTensor((np.ones(4), [rng.random((n, 4)).astype(np.float32) for n in values.shape]))
    model = NonNegativeCP(4, n_starts=1, max_iter=30, tol=-1, inner=5, init=first)
    wide, energy = values.astype(np.float64), float((values.astype(np.float64) ** 2).sum())

    def ours():
        model.fit(values)
        return [np.sqrt(model.history_ / energy), model.reconstruct()]

    def theirs():
        start = CPTensor((first.weights, [part.astype(np.float64) for part in first.factors]))
        found, errors = non_negative_parafac_hals(
            wide, 4, 30, init=start, tol=1e-300, return_errors=True
        )
        return [np.array(errors), cp_to_tensor(found)]

    return ours, theirs


def _partitions():
    rng = np.random.default_rng(4)
    return [(rng.integers(0, k, 500), rng.integers(0, 5, 500)) for k in (2, 5, 9)] + [
        (np.repeat(np.arange(5), 100), np.r_[np.zeros(50, int), np.repeat(np.arange(5), 90)])
    ]


def _agreement(name, theirs):
    def make():
        from sklearn import metrics

        from neuro.stats import agreement

        function = getattr(agreement, name)
        reference = getattr(metrics, theirs)
        pairs = _partitions()
        return (
            lambda: np.array([function(*pair) for pair in pairs]),
            lambda: np.array([reference(*pair) for pair in pairs]),
        )

    return make


@functools.cache
def _spikes():
    from neuro.simulate.switching import switching_glm

    return [np.asarray(item) for item in switching_glm(6, 800, 8, 3, random_state=5).counts]


def _poisson_hmm():
    """From one start, 100 iterations: likelihoods, rates and transitions."""
    from hmmlearn.hmm import PoissonHMM as Theirs

    from neuro.hmmglm import PoissonHMM

    sequences = _spikes()
    model = PoissonHMM(3, n_starts=1, tol=0, max_iter=100, random_state=6)
    counts, lengths = np.concatenate(sequences).astype(int), [len(one) for one in sequences]

    def ours():
        model.fit(sequences)
        return [model.history_, model.rates_, model.transitions_]

    def theirs():
        peer = Theirs(3, init_params="", params="tl", n_iter=100, tol=-np.inf)
        noise = np.random.default_rng([6, 0]).normal(size=(3, counts.shape[1]))
        peer.lambdas_ = counts.mean(axis=0) * np.exp(0.3 * noise)
        peer.transmat_ = np.full((3, 3), 0.01) + 0.97 * np.eye(3)
        peer.startprob_ = np.full(3, 1 / 3)
        peer.fit(counts, lengths)
        order = np.argsort(-peer.predict_proba(counts, lengths).sum(axis=0))
        rates, transitions = peer.lambdas_[order], peer.transmat_[np.ix_(order, order)]
        return [peer.monitor_.history, rates, transitions]

    return ours, theirs


def _glm():
    """Biases and couplings of all neurons; the design is made once, for both."""
    from statsmodels.api import GLM, families

    from neuro.hmmglm import OneHotHMMGLM
    from neuro.hmmglm.design.history import exponential_basis, make_design

    sequences = _spikes()
    model = OneHotHMMGLM(1, "plain", link="exp", n_starts=1, max_iter=200, tol=1e-14)
    design = make_design(sequences, exponential_basis(), poisson=True)
    x, y = (np.asarray(part, float)[design.usable] for part in (design.x, design.counts))

    def ours():
        model.fit(sequences)
        return np.column_stack([np.ravel(model.bias_), model.weights_[0]])

    def theirs():
        fits = [GLM(one, x, family=families.Poisson()).fit(tol=1e-12) for one in y.T]
        return np.array([fit.params for fit in fits])

    return ours, theirs


def _schedule(kind):
    def make():
        from diffusers import DDIMScheduler

        from neuro.braindive.diffusion.generator import alphas_cumprod

        given = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012}
        given["beta_schedule"] = kind
        return (
            lambda: np.array(alphas_cumprod(given)),
            lambda: DDIMScheduler(**given).alphas_cumprod.numpy(),
        )

    return make


def _noise_from_velocity():
    """eps from a v prediction beside the scheduler's own conversion, and steps with it."""
    import torch
    from diffusers import DDIMScheduler

    from neuro.braindive.diffusion.generator import to_eps

    torch.manual_seed(0)
    z, output = torch.randn(2, 4, 16, 16), torch.randn(2, 4, 16, 16)
    native = DDIMScheduler(prediction_type="v_prediction", clip_sample=False)
    plain = DDIMScheduler(prediction_type="epsilon", clip_sample=False)
    for scheduler in (native, plain):
        scheduler.set_timesteps(20)
    steps = [int(t) for t in native.timesteps]

    def ours():
        found = [
            plain.step(to_eps(output, z, float(plain.alphas_cumprod[t]), "v_prediction"), t, z)
            for t in steps
        ]
        return [step.prev_sample.numpy() for step in found]

    return ours, lambda: [native.step(output, t, z).prev_sample.numpy() for t in steps]


CASES = (
    Case("shrinkage.ledoit_wolf", "sklearn ledoit_wolf", "centred input", _ledoit_wolf, 1e-12),
    Case("false_discovery.adjusted_p", "scipy false_discovery_control", "-", _fdr, 1e-12),
    Case(
        "adhd.lda.discriminant(shrinkage=None)",
        "sklearn LinearDiscriminantAnalysis",
        "`solver='svd'`, `priors=[.5, .5]`; 20 label vectors",
        _lda,
        1e-10,
    ),
    Case(
        "adhd.lda.discriminant(shrinkage='auto')",
        "sklearn LedoitWolf",
        "covariance of rows minus class means, equal priors; 20 label vectors",
        _lda_shrunk(True),
        1e-10,
        "LinearDiscriminantAnalysis(shrinkage='auto') shrinks each class apart on standardised "
        "columns and averages; ours shrinks the pooled covariance, which has more rows",
        _lda_shrunk(False),
    ),
    Case(
        "adhd.linear.svm_dual",
        "sklearn LinearSVC",
        "`class_weight='balanced'`, squared hinge, `tol=1e-9`; 20 label vectors",
        _svm,
        1e-4,
    ),
    Case(
        "adhd.linear.logistic_weights",
        "sklearn LogisticRegression",
        "`class_weight='balanced'`, `tol=1e-10`; 20 label vectors",
        _logistic,
        1e-4,
    ),
    Case(
        "encoding.ridge.fit_ridge",
        "sklearn Ridge",
        "one penalty, times the mean eigenvalue of the centred features",
        _ridge,
        1e-6,
    ),
    Case(
        "ntf.NonNegativeCP",
        "tensorly non_negative_parafac_hals",
        "one start, `inner=5`: the error after each of 30 sweeps and the tensor at the end",
        _hals,
        1e-4,
    ),
    Case(
        "stats.agreement.adjusted_rand",
        "sklearn adjusted_rand_score",
        "-",
        _agreement("adjusted_rand", "adjusted_rand_score"),
        1e-12,
    ),
    Case(
        "stats.agreement.ami",
        "sklearn adjusted_mutual_info_score",
        "-",
        _agreement("ami", "adjusted_mutual_info_score"),
        1e-10,
    ),
    Case(
        "hmmglm.PoissonHMM",
        "hmmlearn PoissonHMM",
        "one start, uniform first state, 100 iterations: likelihoods, rates, transitions",
        _poisson_hmm,
        1e-5,
        needs=("hmmlearn",),
    ),
    Case(
        "hmmglm.OneHotHMMGLM(1, 'plain')",
        "statsmodels GLM(Poisson)",
        "one state, `link='exp'`, the same design of filtered history",
        _glm,
        1e-4,
        needs=("statsmodels",),
    ),
    *(
        Case(
            f"braindive.generator.alphas_cumprod, {kind}",
            "diffusers DDIMScheduler",
            f"`beta_schedule='{kind}'` (theirs is float32)",
            _schedule(kind),
            1e-5,
            needs=("diffusers",),
        )
        for kind in ("linear", "scaled_linear")
    ),
    Case(
        "braindive.generator.to_eps",
        "diffusers DDIMScheduler('v_prediction')",
        "a step with our noise in a scheduler that expects noise",
        _noise_from_velocity,
        1e-5,
        needs=("diffusers",),
    ),
)
