"""The estimator: plain, Gaussian-prior and one-hot HMM-GLM behind one interface."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np

from neuro.hmmglm.baselines.compare import THRESHOLD
from neuro.hmmglm.design.history import make_basis
from neuro.hmmglm.design.sequences import check_sequences
from neuro.hmmglm.edges import gumbel
from neuro.hmmglm.em.batch import Problem
from neuro.hmmglm.em.fisher import Layout
from neuro.hmmglm.em.starts import EMPTY, fit_starts, rank
from neuro.hmmglm.em.tuning import DEFAULT_SD
from neuro.hmmglm.prediction import Prediction
from neuro.io.problems import InputProblem
from neuro.io.pynapple import frame_step, is_group, is_pynapple
from neuro.stats.ties import first_best

BINS_PER_STATE = 50
"""Fewer observed bins per state than this are refused."""

_PREPARED = ("basis_", "dt_", "layout_", "rates_", "fill_", "n_covariates_")

ONE_SIGN = 0.7
"""A one-hot model with a larger share of edges of one sign is flagged."""


@dataclasses.dataclass(eq=False)
class OneHotHMMGLM(Prediction):
    """Switching network states of simultaneously recorded spike trains.

    In every state the rate of neuron n is `link(bias_n + sum_m W[n, m] c_m)`, c being the
    exponentially filtered past of all neurons. Three models of the couplings: free in every state
    (`plain`), normal around their mean over states (`gaussian`), or inhibitory, absent or
    excitatory with probabilities shared by all states, the anatomical prior (`onehot`) [1]_.

    Parameters
    ----------
    n_states : int, default 5
    model : {'onehot', 'gaussian', 'plain'}
    preset : {'robust', 'paper'}
        'robust' (ours): batch EM with Fisher scoring. 'paper': online Adam steps on the
        Gumbel-softmax objective with the values of the paper-era code, solver 'paper'.
    solver : {'cavi', 'relaxed', 'paper'}
        Of the one-hot model: deterministic 3-class spike-and-slab (ours), the paper's relaxed
        objective on the batch frame, or the paper-era learning (then of all models).
    link : {'auto', 'softplus', 'sigmoid', 'exp', 'linear'}
        'auto': softplus; sigmoid for 'bernoulli' and solver 'paper', linear for 'gaussian'.
    emission : {'poisson', 'bernoulli', 'gaussian'}
    bias : {'auto', 'per_state', 'shared'}
        'shared' lets states differ by couplings only (paper-era code, default of the solver
        'paper'); otherwise each state has its own.
    n_history : int, default 5
        Past bins (paper-era code).
    decay : float, default 1.0
        Of the exponential kernel, per bin (paper-era code).
    basis : {'exponential', 'raised_cosine'}
    n_basis : int, default 1
        Kernels per source, for 'raised_cosine' (ours).
    diagonal : {'free', 'zero', 'shared'}
        Self-history: an ordinary entry (paper-era code), absent, or one value for all states.
    prior_sd : float or 'auto'
        Of the Gaussian prior around the mean over states; 1/3 in the paper-era code and with
        solver 'paper'. 'auto' chooses it on an inner split of the training data.
    ridge : float or 'auto'
        Precision of the couplings' mean over states; of all couplings of the plain model; of
        one-hot strengths on top of 1. Chosen likewise (ours; 0 in the paper-era code).
    covariate_ridge : float or 'auto'
        Precision of the weights of covariates, which are standardised; chosen likewise (ours).
    covariate_weights : {'auto', 'shared', 'per_state'}
        Whether states share the weights of covariates; 'auto': as the bias.
    emission_covariates : tuple of int, optional
        Columns of the covariates that act on the rates; all by default.
    transition_covariates : tuple of int, default ()
        Columns that drive the transitions, see :class:`neuro.hmmglm.em.drive.Chain` (ours).
    stop : {'converged', 'tuned'}
        'tuned' ends a fit early, after a number of iterations that is chosen likewise, in place
        of a ridge (ours).
    alpha : tuple of float, default (.2, 1.6, .2)
        Dirichlet pseudo-counts of the anatomical prior: inhibitory, none, excitatory.
    tau : float, default 0.2
        Temperature of the relaxed one-hot vector (paper-era code).
    n_starts : int, optional
        Default 5, for the solver 'paper' 1.
    n_finish : int, optional
        Of the starts, so many are carried through: the best after three iterations on part of the
        data (ours). Default: all.
    max_iter : int, default 200
    tol : float, default 1e-6
        Relative change of the objective, and relative gain that a step promises, below which a
        fit has converged.
    start : {'noise', 'glm', 'hmm', 'zeros'}
        Seeded noise, a one-state model plus 25 % noise, the states of a Poisson HMM without
        couplings (for many neurons and few bins), or identical states (the original).
    pi_kappa : float, default 0
        Pseudo-counts on the diagonal of the transition matrix.
    newton : {'auto', 'full', 'truncated'}
        Steps with the curvature of every neuron, or without it (ours; for a hundred units and
        more; not with solver 'relaxed'); 'auto' goes by the cost.
    device : {'numpy', 'cpu', 'cuda'}
        'cpu' and 'cuda' take the fit through torch, see :mod:`neuro.hmmglm.em.on_torch`.
    n_threads : int, default 1
        Starts fitted at the same time.
    random_state : int, optional
    n_epochs, n_sub, learning_rate, prior_count
        Of the solver 'paper', see :class:`neuro.hmmglm.em.paper.Schedule`.

    Attributes
    ----------
    weights_ : ndarray, shape (K, N, N)
        Couplings per spike and unit-area kernel; row: target, column: source. With several
        kernels their sum; `basis_weights_` (K, N, N, B) has them all.
    bias_ : ndarray, shape (N,) or (K, N)
    covariate_weights_ : ndarray, shape (K, N, C)
        Of standardised covariates.
    transitions_ : ndarray, shape (K, K)
        With inputs: at their means.
    drive_ : ndarray, shape (K, C), or None
        What the columns of `transition_covariates`, standardised, add to the log odds of entering
        each state.
    anatomical_prior_ : ndarray, shape (N, N, 3)
        Probabilities of inhibitory, none, excitatory; only for the one-hot model.
    edge_posterior_ : ndarray, shape (K, N, N, 3)
        NaN on a shared diagonal, which is not selected. Only for the one-hot model.
    adjacency_ : ndarray of int8, shape (K, N, N)
        -1, 0, +1: the most probable class; for the other models the sign of couplings above 0.2.
    occupancy_ : ndarray, shape (K,)
        Share of bins; states are sorted by it.
    order_ : ndarray of int, shape (K,)
        Number of each state before sorting.
    history_ : ndarray
        Objective of the best start after each iteration.
    starts_ : list of dict
        Of the finished starts: seed, objective, log_likelihood, iterations, min_occupancy,
        converged, status ('converged', 'max_iter', 'line_search_failed'), replaced.
    penalty_ : neuro.hmmglm.em.tuning.Penalty
        Ridge, spread and iterations that were chosen or given.
    warm_penalties_ : dict of str to neuro.hmmglm.em.tuning.Penalty
        The same of the model and, for the one-hot model, of the Gaussian one that it began from.
    empty_states_ : list of int
        States with less than 1 % of the bins.
    mostly_one_sign_ : bool
        Whether more than 70 % of all possible edges share a sign.
    basis_ : ndarray, shape (n_history, B)
        Kernels with unit sum over bins.
    dt_ : float
        Bin width (s).
    rates_ : ndarray, shape (N,)
        Mean training counts per bin.
    n_parameters_ : float
        Free parameters; edges of the one-hot model count by their probability to exist.

    References
    ----------
    .. [1] Li, C., Kim, S. Y., Rodgers, C., Choi, H., Wu, A. (2024). One-hot generalized linear
       model for switching brain state discovery. ICLR. arXiv:2310.15263.
    """

    def problem(
        self, sequences, mask=None, covariates=None, dt: float = 1.0, design=None
    ) -> Problem:
        """Checked data and settings, ready to be fitted.

        Sets `basis_`, `dt_`, `layout_`, `rates_` and the scaling of the covariates.

        Parameters
        ----------
        sequences, mask, covariates, dt
            As for :meth:`fit`.
        design : neuro.hmmglm.design.history.Design, optional
            Of the same data, covariates and history, where it is known already.

        Returns
        -------
        neuro.hmmglm.em.batch.Problem

        Raises
        ------
        InputProblem
            When the data cannot be fitted; all problems at once.
        ValueError
            When a setting is wrong.
        """
        settings = self.resolved()
        if is_pynapple(sequences) and not is_group(sequences):
            dt = frame_step(sequences)
        sequences, mask, covariates = check_sequences(
            sequences, mask, covariates, emission=self.emission, bin_s=dt
        )
        self.basis_ = make_basis(self.basis, self.n_history, self.decay, self.n_basis)
        self.dt_ = float(dt)
        self._scale(covariates)
        self.layout_ = Layout(
            sequences[0].shape[1],
            self.basis_.shape[1],
            len(self.covariate_columns()),
            settings["bias"] == "shared",
            self.diagonal,
            settings["covariate_weights"] == "shared",
        )
        design = self._design(sequences, mask, covariates) if design is None else design
        if self.n_states * BINS_PER_STATE > design.n_usable:
            raise InputProblem(
                f"hmmglm: n_states {self.n_states} > observed bins / {BINS_PER_STATE} "
                f"({design.n_usable // BINS_PER_STATE})"
            )
        self.rates_, self.fill_ = design.mean_counts(), design.means
        silent = np.flatnonzero(design.counts.any(axis=0) == 0)
        if silent.size:
            warnings.warn(
                f"hmmglm: {silent.size} silent units ({', '.join(map(str, silent[:5]))}); "
                "leave them out",
                UserWarning,
                stacklevel=3,
            )
        return Problem(
            design,
            self.likelihood(),
            self.layout_,
            prior_sd=DEFAULT_SD if self.prior_sd == "auto" else float(self.prior_sd),
            ridge=0.0 if self.ridge == "auto" else float(self.ridge),
            covariate_ridge=0.0 if self.covariate_ridge == "auto" else float(self.covariate_ridge),
            pi_kappa=self.pi_kappa,
            max_iter=self.max_iter,
            tol=self.tol,
            n_history=self.n_history,
            newton=self.newton,
        )

    def like(self, other: OneHotHMMGLM) -> OneHotHMMGLM:
        """Take over basis, layout, scaling and mean rates of a model prepared on the same data.

        Parameters
        ----------
        other : OneHotHMMGLM
            After its :meth:`problem`.

        Returns
        -------
        OneHotHMMGLM
            Self, ready for :meth:`adopt`.
        """
        for name in (*_PREPARED, "covariate_mean_", "covariate_scale_"):
            if hasattr(other, name):
                setattr(self, name, getattr(other, name))
        return self

    def fit(
        self, sequences, y=None, *, mask=None, covariates=None, dt: float = 1.0
    ) -> OneHotHMMGLM:
        """Fit the model, the best of several seeded starts.

        Parameters
        ----------
        sequences : list of ndarray of int, shape (T_i, N), or ndarray, shape (n, T, N)
            Spike counts per bin; sequences may differ in length. NaN marks missing bins. Nothing
            is carried from one sequence to the next. Or a `TsGroup` of pynapple, or a `TsdFrame`
            of counts: one sequence per interval of its time support.
        y
            Ignored.
        mask : list of ndarray of bool, shape (T_i,), optional
            False marks missing bins.
        covariates : list of ndarray, shape (T_i, C), optional
            Standardised; not subject to the one-hot prior.
        dt : float, default 1.0
            Bin width (s); only recorded, except for a `TsGroup`, which is binned with it. A
            `TsdFrame` brings its own.

        Returns
        -------
        OneHotHMMGLM

        Raises
        ------
        InputProblem
            When the data cannot be fitted; all problems at once.
        ValueError
            When a setting is wrong.
        """
        return self.fit_problem(self.problem(sequences, mask, covariates, dt))

    def fit_problem(self, problem: Problem) -> OneHotHMMGLM:
        """Fit what :meth:`problem` of this model gave."""
        settings = self.resolved()
        seed = self.random_state
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1)[0])
        seeds = [[seed, number] for number in range(settings["n_starts"])]
        starts = fit_starts(problem, self.recipe(), [self.model], seeds, self.n_threads)
        finished = [seeds[start["number"]] for start in starts]
        return self.adopt(problem, [start[self.model] for start in starts], finished)

    def adopt(self, problem: Problem, starts, seeds) -> OneHotHMMGLM:
        """Take over fitted starts: choose the best, sort its states, set the attributes.

        Parameters
        ----------
        problem : neuro.hmmglm.em.batch.Problem
            As :meth:`problem` made it.
        starts : list of (Fitted, bool)
        seeds : list of sequence of int

        Returns
        -------
        OneHotHMMGLM
        """
        usable = problem.design.usable
        self.starts_ = [
            {
                "seed": list(seed),
                "objective": rank(self.model, fitted),
                "log_likelihood": fitted.log_likelihood,
                "iterations": fitted.iterations,
                "min_occupancy": float(fitted.occupancy(usable).min()),
                "converged": fitted.converged,
                "status": fitted.status,
                "replaced": replaced,
            }
            for (fitted, replaced), seed in zip(starts, seeds)
        ]
        best = starts[first_best([row["objective"] for row in self.starts_])][0]
        occupancy = best.occupancy(usable)
        self.order_ = np.argsort(-occupancy, kind="stable")
        self.occupancy_ = occupancy[self.order_]
        self.theta_ = best.parameters.theta[self.order_]
        self.transitions_ = best.parameters.transitions[np.ix_(self.order_, self.order_)]
        drive = best.parameters.drive
        self.drive_ = None if drive is None else drive[self.order_]
        self.noise_ = best.parameters.noise
        self.history_ = np.asarray(best.objective)
        self.log_likelihood_ = best.log_likelihood
        self.penalty_, self.warm_penalties_ = best.penalty, best.penalties
        self.n_bins_ = problem.design.n_usable
        for name in ("basis_posterior_", "basis_prior_"):
            if hasattr(self, name):
                delattr(self, name)
        if best.edges is not None:
            n, b = problem.layout.n_neurons, problem.layout.n_basis
            q = best.edges.q[self.order_]
            self.basis_posterior_ = q.reshape(len(q), n, n, b, 3)
            self.basis_prior_ = best.edges.prior.reshape(n, n, b, 3)
        self.expose()
        return self

    def expose(self) -> None:
        """Set the public arrays from `theta_` and the probabilities of all kernels."""
        layout, k = self.layout_, len(self.theta_)
        n, b = layout.n_neurons, layout.n_basis
        self.empty_states_ = [int(s) for s in np.flatnonzero(self.occupancy_ < EMPTY)]
        bias = self.theta_[:, :, 0]
        self.bias_ = bias[0].copy() if layout.shared_bias else bias.copy()
        self.basis_weights_ = self.theta_[:, :, 1 : 1 + n * b].reshape(k, n, n, b).copy()
        self.weights_ = self.basis_weights_.sum(axis=-1)
        self.covariate_weights_ = self.theta_[:, :, 1 + n * b :].copy()
        self.mostly_one_sign_ = False
        if not hasattr(self, "basis_posterior_"):
            signs = np.sign(self.weights_) * (np.abs(self.weights_) > THRESHOLD)
            self.adjacency_ = signs.astype(np.int8)
            own = n * b if layout.diagonal == "free" else (n - 1) * b
            self.n_parameters_ = float(k * n * own)
        else:
            q = self.basis_posterior_
            # the kernel that is most surely there speaks for its edge
            none = np.nan_to_num(q[..., gumbel.NONE], nan=1.0)
            speaker = np.argmin(none, axis=-1)[..., None, None]
            self.edge_posterior_ = np.take_along_axis(q, speaker, axis=3)[:, :, :, 0]
            self.anatomical_prior_ = self.basis_prior_.mean(axis=2)
            classes = np.argmax(np.nan_to_num(self.edge_posterior_), axis=-1) - gumbel.NONE
            classes[np.isnan(self.edge_posterior_[..., 0])] = 0
            self.adjacency_ = classes.astype(np.int8)
            share = max(np.mean(self.adjacency_ == sign) for sign in (-1, 1))
            self.mostly_one_sign_ = bool(share > ONE_SIGN)
            self.n_parameters_ = float(np.sum(1 - none))
        levels = (1 if layout.shared_bias else k) * n
        levels += (1 if layout.ties_covariates else k) * n * layout.n_covariates
        drive = getattr(self, "drive_", None)
        inputs = 0 if drive is None else (k - 1) * drive.shape[1]
        self.n_parameters_ += levels + k * (k - 1) + inputs
        if layout.diagonal == "shared":
            self.n_parameters_ += n * b

    def save(self, path):
        """Write the fitted model (`.npz`, arrays and JSON, never a pickle)."""
        from neuro.hmmglm.model_file import write_model

        self._check_fitted("theta_")
        return write_model(self, path)

    @classmethod
    def load(cls, path) -> OneHotHMMGLM:
        """Read a model that :meth:`save` wrote."""
        from neuro.hmmglm.model_file import read_model

        return read_model(cls, path)
