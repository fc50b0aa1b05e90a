"""What an image is asked to drive: a region, a contrast, a voxel, a cluster from a table."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re

import numpy as np

from neuro.braindive.contrasts import region_voxels, written_out
from neuro.braindive.dataset import BETWEEN
from neuro.io.problems import InputProblem

COLUMNS = ("objective", "unit", "weight", "kind", "temperature", "verdict")
EARLY = re.compile(r"((lh|rh|l|r)[-_ ]?)?(h?V[1-4][dvAB]?|early(vis)?)", re.IGNORECASE)
"""Names of early visual areas, as data sets write them: the paper guides higher areas only."""


def is_early(region: str) -> bool:
    """Whether a region is an early visual area by its name, with or without a hemisphere."""
    return bool(EARLY.fullmatch(region))


def whole(region: str) -> str:
    """The region of a part: `V1` of `sub:V1:2`, else the name itself."""
    return region[4:].rpartition(":")[0] if region.startswith("sub:") else region


@dataclasses.dataclass(frozen=True)
class Objective:
    """A number per image, computed from predicted voxel responses.

    Attributes
    ----------
    name : str
    kind : {'mean', 'mds'}
        `mean` is a weighted sum of voxels. `mds` is `m_c/T - logsumexp_k(m_k/T) + log K`, with
        the weighted mean m_k of every cluster of the table (Burg et al. 2024).
    units : list of str
        Voxels that carry weight.
    weights : ndarray, shape (n_groups, n_units)
        One row, or for `mds` one row per cluster.
    target : int
        Row of the objective itself.
    temperature : float
        T; 1 for `mean`.
    verdict : str
        What `mds` says about its clusters; empty elsewhere.
    missing : list of str
        Voxels of the table that the encoder does not have.
    """

    name: str
    kind: str
    units: list
    weights: np.ndarray
    target: int = 0
    temperature: float = 1.0
    verdict: str = ""
    missing: list = dataclasses.field(default_factory=list)

    @classmethod
    def from_rois(cls, wanted, unit, roi, *, name=None, legacy_mask=False, allow_early=False):
        """A weighted sum of region means, or of single voxels.

        Parameters
        ----------
        wanted : dict of str to float
            Region or voxel name to weight; `{"FFA": 1.0, "EBA": -0.4}` is a contrast (ours).
            `"FFA-1+FFA-2"` joins regions (union), `"FFA-1&FFA-2"` takes the voxels of both
            (intersection), `"over:FFA"` is FFA less the mean of all other regions' means.
        unit, roi : sequence of str, length n_voxels
            Voxels of the encoder and their regions.
        name : str, optional
        legacy_mask : bool
            Divide by all voxels of the region, also those the encoder lacks, as the released
            code does: the gradient is smaller. Needs `roi` entries without a unit (empty name).
        allow_early : bool
            Accept early visual areas.

        Returns
        -------
        Objective

        Raises
        ------
        InputProblem
            When a region is unknown or only early visual areas are asked for.
        """
        unit, roi = [str(voxel) for voxel in unit], [str(entry) for entry in roi]
        total = np.zeros(len(unit))
        early = []
        for label, weight in written_out(wanted, roi).items():
            rows, regions = region_voxels(str(label), roi)
            as_region = rows.any()
            if not as_region and "&" in str(label):
                raise InputProblem(f"objective '{label}': no voxel lies in all of these regions")
            if not as_region:
                rows = np.array([voxel in regions for voxel in unit])
            if not rows.any():
                areas = dict.fromkeys(area for entry in roi for area in entry.split(BETWEEN))
                choices = ", ".join(list(areas)[:8])
                raise InputProblem(
                    f"objective '{label}': no such region or voxel; known: {choices}"
                )
            early.append(as_region and all(is_early(whole(region)) for region in regions))
            if weight < 0 and len(wanted) < len(early):
                # the others of `over:` may be early; what is asked for may not
                early.pop()
            valid = rows & (np.array(unit) != "")
            total[valid] += float(weight) / (rows.sum() if legacy_mask else max(valid.sum(), 1))
        if all(early) and not allow_early:
            raise InputProblem(
                f"objective '{'+'.join(wanted)}': early visual areas only; name a higher area"
            )
        used = np.flatnonzero(total)
        if not len(used):
            raise InputProblem(f"objective '{'+'.join(wanted)}': no voxel carries weight")
        text = name or " ".join(f"{weight:+g}*{label}" for label, weight in wanted.items())
        return cls(text, "mean", [unit[k] for k in used], total[used][None])

    @classmethod
    def from_preference(cls, name, card, keep, n_top=200):
        """The mean of the voxels that prefer one condition most.

        Parameters
        ----------
        name : str
            `prefers:` and the condition.
        card : pandas.DataFrame
            voxel, and `t_<condition>`: t values on the images that the guide was fitted on.
        keep : array of bool, length n_voxels
            Voxels that may be used, e.g. those that cross-validation predicts.
        n_top : int
            Voxels with the largest positive t.

        Returns
        -------
        Objective

        Raises
        ------
        InputProblem
            When the condition is unknown or no voxel prefers it.
        """
        condition = name.partition(":")[2]
        column = f"t_{condition}"
        if column not in card:
            conditions = [label[2:] for label in card if label.startswith("t_")]
            raise InputProblem(
                f"objective '{name}': no such condition; known: {', '.join(conditions) or 'none'}"
            )
        t = np.where(np.asarray(keep, bool), card[column].to_numpy(float), -np.inf)
        best = np.argsort(-t, kind="stable")[:n_top]
        best = np.sort(best[t[best] > 0])
        if not len(best):
            raise InputProblem(f"objective '{name}': no voxel prefers this condition")
        units = card["voxel"].astype(str).iloc[best].tolist()
        return cls(name, "mean", units, np.full((1, len(best)), 1 / len(best)))

    @classmethod
    def from_table(cls, table, name, unit):
        """An objective of a table, as the stage `mds` writes it.

        Parameters
        ----------
        table : path-like or pandas.DataFrame
            Columns objective, unit, weight, kind, temperature, verdict; or voxel, roi.
        name : str
            Name of the objective; `table-1` is the first of the table, `table-2` the next.
        unit : sequence of str
            Voxels of the encoder.

        Returns
        -------
        Objective

        Raises
        ------
        InputProblem
            When columns are missing, the objective is unknown, its kind is, or none of its
            units is one of the encoder's.
        """
        from neuro.io.formats.tables import read_tsv

        path = "objectives" if hasattr(table, "columns") else str(table)
        if not hasattr(table, "columns"):
            table = read_tsv(table, dtype={"objective": str, "unit": str, "voxel": str, "roi": str})
        if "roi" in table and "voxel" in table and "objective" not in table:
            sizes = table.groupby("roi")["voxel"].transform("size")
            table = table.rename(columns={"roi": "objective", "voxel": "unit"})
            table = table.assign(weight=1 / sizes, kind="mean", temperature=1.0, verdict="")
        lacking = [column for column in COLUMNS if column not in table]
        if lacking:
            raise InputProblem(f"{path}: no column {', '.join(lacking)}; expected {COLUMNS}")
        names = list(dict.fromkeys(table["objective"].astype(str)))
        if name not in names and name.startswith("table-") and name[6:].isdigit():
            if not 1 <= int(name[6:]) <= len(names):
                raise InputProblem(f"objective '{name}': {path} has {len(names)} objectives")
            name = names[int(name[6:]) - 1]
        if name not in names:
            raise InputProblem(f"objective '{name}': not in {path}; it has {', '.join(names[:8])}")
        own = table[table["objective"].astype(str) == name]
        kinds = set(own["kind"].astype(str))
        if not kinds <= {"mean", "mds"} or len(kinds) > 1:
            raise InputProblem(f"{path}: objective '{name}' has kind {sorted(kinds)}; mean or mds")
        kind = kinds.pop()
        if kind == "mds":
            same = table["kind"].astype(str) == "mds"
            rows = list(dict.fromkeys(table["objective"].astype(str)[same]))
        else:
            rows = [name]
        index = {str(label): k for k, label in enumerate(unit)}
        labels = table["unit"].astype(str)
        used = table["objective"].astype(str).isin(rows)
        chosen = sorted({label for label in labels[used] if label in index}, key=index.get)
        missing = sorted({label for label in labels[used] if label not in index})
        if not set(own["unit"].astype(str)) & set(chosen):
            raise InputProblem(
                f"objective '{name}': none of its {len(own)} units is among the encoder's "
                f"{len(index)} voxels"
            )
        column = {label: k for k, label in enumerate(chosen)}
        weights = np.zeros((len(rows), len(chosen)))
        for k, row in enumerate(rows):
            of_objective = table[(table["objective"].astype(str) == row)]
            kept = of_objective[of_objective["unit"].astype(str).isin(chosen)]
            share = kept["weight"].to_numpy(float)
            lost = of_objective["weight"].abs().sum() - np.abs(share).sum()
            # The mean over the voxels that are there.
            scale = 1.0 if lost <= 0 else np.abs(of_objective["weight"]).sum() / np.abs(share).sum()
            for label, weight in zip(kept["unit"].astype(str), share * scale):
                weights[k, column[label]] += weight
        verdict = own["verdict"].iloc[0]
        return cls(
            name,
            kind,
            chosen,
            weights,
            target=rows.index(name),
            temperature=float(own["temperature"].iloc[0]) if kind == "mds" else 1.0,
            verdict="" if verdict != verdict or verdict is None else str(verdict),
            missing=missing,
        )

    @property
    def own_units(self) -> list:
        """Voxels of the objective itself, without those of competing clusters."""
        return [u for u, weight in zip(self.units, self.weights[self.target]) if weight != 0]

    def matrix(self, unit) -> np.ndarray:
        """Weights over all voxels of an encoder.

        Parameters
        ----------
        unit : sequence of str

        Returns
        -------
        ndarray, shape (n_groups, n_voxels)

        Raises
        ------
        InputProblem
            When the encoder lacks a voxel.
        """
        index = {str(label): k for k, label in enumerate(unit)}
        lost = [label for label in self.units if label not in index]
        if lost:
            raise InputProblem(f"objective '{self.name}': unknown voxels {', '.join(lost[:5])}")
        full = np.zeros((len(self.weights), len(index)))
        full[:, [index[label] for label in self.units]] = self.weights
        return full

    def value(self, predictions, unit) -> np.ndarray:
        """The objective of each image.

        Parameters
        ----------
        predictions : array, shape (n, n_voxels)
        unit : sequence of str, length n_voxels

        Returns
        -------
        ndarray, shape (n,)
        """
        means = np.asarray(predictions, dtype=np.float64) @ self.matrix(unit).T
        if self.kind == "mean":
            return means[:, self.target]
        from scipy.special import logsumexp

        scaled = means / self.temperature
        return scaled[:, self.target] - logsumexp(scaled, axis=1) + np.log(scaled.shape[1])

    def folded(self, encoder):
        """The objective as a function of images: one small matrix on the backbone's features.

        Parameters
        ----------
        encoder : neuro.encoding.VoxelEncoder

        Returns
        -------
        callable
            Images (n, c, h, w) in [0, 1] as tensor -> (n,), differentiable.
        """
        import torch

        weights = self.matrix(encoder.unit_)
        coef = torch.as_tensor(weights @ encoder.coef_.astype(np.float64))
        shift = torch.as_tensor(weights @ encoder.intercept_.astype(np.float64))

        def value(images):
            x = encoder.backbone_.features(images)
            means = x @ coef.to(x).T + shift.to(x)
            if self.kind == "mean":
                return means[:, self.target]
            scaled = means / self.temperature
            total = torch.logsumexp(scaled, dim=1)
            return scaled[:, self.target] - total + float(np.log(scaled.shape[1]))

        return value

    def fingerprint(self) -> str:
        """SHA-256 of everything that shapes the objective.

        Returns
        -------
        str
        """
        content = [self.kind, self.units, self.weights.tolist(), self.target, self.temperature]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def check_quality(objective, card, *, min_voxels=20, min_r2=0.05) -> None:
    """Refuse an objective that the encoder cannot predict; without data nobody knows.

    Parameters
    ----------
    objective : Objective
    card : pandas.DataFrame
        voxel, r2.
    min_voxels : int
    min_r2 : float
        Of the median over the objective's voxels, on test images.

    Raises
    ------
    InputProblem
        With the numbers found.
    """
    own = set(objective.own_units)
    of_units = card[card["voxel"].astype(str).isin(own)]
    if len(of_units) < min_voxels:
        raise InputProblem(
            f"objective '{objective.name}': {len(of_units)} voxels, at least {min_voxels} expected "
            "(braindive.min_voxels)"
        )
    if of_units["r2"].isna().all():
        return  # no responses were measured: nobody knows
    median = float(of_units["r2"].median())
    if not median >= min_r2:
        raise InputProblem(
            f"objective '{objective.name}': the encoder's median R2 on test images is "
            f"{median:.3f}, at least {min_r2:g} expected (braindive.min_r2); no images are made"
        )
