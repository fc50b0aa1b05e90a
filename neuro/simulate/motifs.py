"""Planted motifs of interaction: tensors, and calcium traces of several animals."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from neuro.io.recordings.reader import Recording


def planted_tensor(shape=(240, 20, 4950), rank=6, noise=0.3, *, weakest=1.0, random_state=0):
    """A tensor of known rank with noise that is not negative.

    Time courses and motifs are sparse, animal loadings are spread. The noise is half-normal, so
    it has a positive mean, as affinities of noise have.

    Parameters
    ----------
    shape : tuple of int
        (n_bins, n_animals, n_pairs).
    rank : int
    noise : float
        Scale of the noise in standard deviations of the signal.
    weakest : float
        Strength of the weakest component in parts of the strongest; the others lie between them
        in equal ratios. The default makes all alike.
    random_state : int

    Returns
    -------
    values : ndarray of float32, shape `shape`
    factors : list of ndarray, shapes (n_mode, rank)
    """
    rng = np.random.default_rng(random_state)
    n_bins, n_animals, n_pairs = shape
    time = rng.random((n_bins, rank)) * (rng.random((n_bins, rank)) < 0.3)
    animals = rng.uniform(0.1, 1.0, (n_animals, rank))
    pairs = rng.random((n_pairs, rank)) * (rng.random((n_pairs, rank)) < 0.2)
    pairs = pairs * np.geomspace(1.0, weakest, rank)
    return _noisy([time, animals, pairs], noise, rng), [time, animals, pairs]


def planted_motifs(
    n_bins=240, n_animals=12, n_neurons=60, rank=6, n_blocks=2, noise=0.1, *, random_state=0
):
    """A tensor whose motifs are networks: two or more blocks that are active together.

    Parameters
    ----------
    n_bins, n_animals, n_neurons, rank : int
    n_blocks : int
        Blocks per motif; neurons outside them take no part.
    noise : float
        Scale of the half-normal noise in standard deviations of the signal.
    random_state : int

    Returns
    -------
    values : ndarray of float32, shape (n_bins, n_animals, n_pairs)
    factors : list of ndarray
        Time, animals, pairs.
    blocks : ndarray of int, shape (rank, n_neurons)
        Block of every neuron in every motif, -1 for none.
    """
    rng = np.random.default_rng(random_state)
    left, right = np.triu_indices(n_neurons, 1)
    size = n_neurons // (n_blocks + 2)
    blocks = np.full((rank, n_neurons), -1)
    pairs = np.zeros((len(left), rank))
    for r in range(rank):
        members = rng.permutation(n_neurons)[: n_blocks * size]
        blocks[r, members] = np.repeat(np.arange(n_blocks), size)
        same = (blocks[r, left] == blocks[r, right]) & (blocks[r, left] >= 0)
        pairs[same, r] = rng.uniform(0.5, 1.0, int(same.sum()))
    time = rng.random((n_bins, rank)) * (rng.random((n_bins, rank)) < 0.3)
    animals = rng.uniform(0.2, 1.0, (n_animals, rank))
    return _noisy([time, animals, pairs], noise, rng), [time, animals, pairs], blocks


def _noisy(factors, noise, rng):
    time, animals, pairs = (factor.astype(np.float32) for factor in factors)
    values = ((time[:, None] * animals).reshape(-1, time.shape[1]) @ pairs.T).reshape(
        len(time), len(animals), len(pairs)
    )
    scale = np.float32(noise * values.std())
    for block in values:
        block += np.abs(rng.standard_normal(block.shape, dtype=np.float32)) * scale
    return values


@dataclasses.dataclass(frozen=True)
class PlantedEpochs:
    """Recordings with known communities.

    Attributes
    ----------
    recordings : list of Recording
    events : pandas.DataFrame
        Columns `animal`, `onset_s`, `duration_s`, `condition`.
    conditions : list of str
    communities : ndarray of int, shape (n_conditions, n_neurons)
        Community of every neuron under every condition, -1 where it is silent.
    """

    recordings: list[Recording]
    events: object
    conditions: list[str]
    communities: np.ndarray


def planted_epochs(
    n_animals=10,
    n_neurons=60,
    n_conditions=3,
    n_communities=3,
    *,
    fs=4.0,
    epoch_s=40.0,
    rest_s=20.0,
    noise=0.15,
    active=0.75,
    counterbalanced=False,
    missing=0.0,
    random_state=0,
) -> PlantedEpochs:
    """Calcium traces in which every stimulus calls up its own communities.

    During a stimulus the members of a community follow one smooth random signal, some of them
    upside down; the signal differs between animals. Between stimuli there is noise only.

    Parameters
    ----------
    n_animals, n_neurons, n_conditions, n_communities : int
    fs : float
        Sampling rate in Hz.
    epoch_s, rest_s : float
        Length of a stimulus and of the pauses in s.
    noise : float
        White noise in standard deviations of the signal.
    active : float
        Share of neurons that take part under a condition.
    counterbalanced : bool
        Whether animals see the stimuli in different orders.
    missing : float
        Share of neurons that each animal lacks.
    random_state : int

    Returns
    -------
    PlantedEpochs
    """
    import pandas as pd

    rng = np.random.default_rng(random_state)
    conditions = [f"stimulus{number + 1}" for number in range(n_conditions)]
    communities = np.full((n_conditions, n_neurons), -1)
    for row in communities:
        members = rng.permutation(n_neurons)[: round(active * n_neurons)]
        row[members] = np.arange(len(members)) % n_communities
    names = [f"N{number:03d}" for number in range(1, n_neurons + 1)]
    flip = rng.choice([-1.0, 1.0], n_neurons, p=[0.3, 0.7])
    slot_s = epoch_s + rest_s
    n_frames = round((rest_s + n_conditions * slot_s) * fs)
    recordings, rows = [], []
    for animal in range(n_animals):
        name = f"w{animal + 1:02d}"
        turn = animal % n_conditions if counterbalanced else 0
        order = np.roll(np.arange(n_conditions), turn)
        traces = np.zeros((n_frames, n_neurons))
        for slot, condition in enumerate(order):
            onset = rest_s + slot * slot_s
            rows.append((name, onset, epoch_s, conditions[condition]))
            first, last = round(onset * fs), round((onset + epoch_s) * fs)
            for community in range(n_communities):
                signal = _smooth_signal(last - first, fs, rng)
                members = np.flatnonzero(communities[condition] == community)
                traces[first:last, members] += signal[:, None] * flip[members]
        traces += noise * rng.standard_normal(traces.shape)
        traces = traces * rng.uniform(0.5, 2.0, n_neurons) + rng.uniform(0, 5, n_neurons)
        keep = np.sort(rng.permutation(n_neurons)[: n_neurons - round(missing * n_neurons)])
        recordings.append(
            Recording(name, traces[:, keep].astype(np.float32), fs, [names[k] for k in keep])
        )
    events = pd.DataFrame(rows, columns=["animal", "onset_s", "duration_s", "condition"])
    return PlantedEpochs(recordings, events, conditions, communities)


def _smooth_signal(n_frames, fs, rng):
    """Smooth random signal of standard deviation 1 that starts and ends at 0."""
    from scipy.ndimage import gaussian_filter1d

    signal = gaussian_filter1d(rng.standard_normal(n_frames), 1.5 * fs, mode="reflect")
    edge = np.minimum(np.arange(n_frames), np.arange(n_frames)[::-1]) / (2.0 * fs)
    signal = (signal - signal.mean()) * np.clip(edge, 0, 1)
    return signal / signal.std()


def recording_names(n_animals: int) -> list[str]:
    """File names of the demo's recordings, known before they are made."""
    return [f"w{number:02d}.npz" for number in range(1, n_animals + 1)]


def write_recordings(folder, planted: PlantedEpochs) -> None:
    """Write recordings, events and the planted truth as a laboratory would keep them.

    Parameters
    ----------
    folder : path-like
    planted : PlantedEpochs
    """
    import pandas as pd

    from neuro.io.formats.tables import write_tsv

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for recording in planted.recordings:
        np.savez(
            folder / f"{recording.name}.npz",
            traces=recording.traces,
            names=np.array(recording.names),
            fs=np.float64(recording.fs),
        )
    write_tsv(folder / "events.tsv", planted.events)
    names = sorted({name for recording in planted.recordings for name in recording.names or ()})
    truth = pd.DataFrame(planted.communities.T, columns=planted.conditions)
    truth.insert(0, "neuron", [f"N{number:03d}" for number in range(1, len(truth) + 1)])
    write_tsv(folder / "truth.tsv", truth[truth["neuron"].isin(names)])
