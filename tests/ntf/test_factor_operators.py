"""Restarts side by side, streaming, devices and the other solver give the same factors."""

import numpy as np
import pytest

from neuro.ntf.factors import compare, hals
from neuro.ntf.factors.models import ConcatenatedNMF, NonNegativeCP
from neuro.ntf.factors.operators import DenseRows, TorchRows

SMALL = (60, 8, 120)


def factors(model):
    return model.time_, model.animals_, model.pairs_


def test_batched_starts_are_the_same_as_one_after_the_other(small):
    values, _ = small
    together = NonNegativeCP(4, n_starts=6, random_state=3).fit(values)
    operator = DenseRows(values)
    alone = []
    for start in NonNegativeCP.starts(operator, 4, 6, 3):
        hals.run(operator, [start])
        alone.append(np.sqrt(start.history[-1] / operator.sq_norm))
    np.testing.assert_allclose(together.errors_, alone, rtol=1e-4)
    more = NonNegativeCP(4, n_starts=8, random_state=3).fit(values)
    np.testing.assert_allclose(more.errors_[:6], together.errors_, rtol=1e-4)


def test_the_same_seed_gives_the_same_result(small):
    values, _ = small
    a, b = (NonNegativeCP(4, n_starts=3, random_state=5).fit(values) for _ in range(2))
    assert np.array_equal(a.pairs_, b.pairs_) and np.array_equal(a.errors_, b.errors_)


def test_a_memory_map_is_streamed_to_the_same_result(small, tmp_path, monkeypatch):
    import neuro.ntf.factors.operators as operators

    values, _ = small
    rng = np.random.default_rng(0)
    mask, frames = rng.random(SMALL[1:]) < 0.8, rng.random(SMALL[:2]) < 0.9
    np.save(tmp_path / "x.npy", values)
    monkeypatch.setattr(operators, "BLOCK_BYTES", 7 * 8 * 120 * 4)
    monkeypatch.setattr(operators, "TILE", 50)
    streamed = np.load(tmp_path / "x.npy", mmap_mode="r")
    for cls in (NonNegativeCP, ConcatenatedNMF):
        a = cls(3, n_starts=2, random_state=0).fit(values, mask=mask, frame_mask=frames)
        b = cls(3, n_starts=2, random_state=0).fit(streamed, mask=mask, frame_mask=frames)
        np.testing.assert_allclose(a.errors_, b.errors_, rtol=1e-4)
    held, whole = DenseRows(streamed), DenseRows(values)
    right, left = rng.random((120, 5), np.float32), rng.random((480, 5), np.float32)
    np.testing.assert_allclose(held.dot(right), whole.dot(right), rtol=1e-5)
    np.testing.assert_allclose(held.tdot(left), whole.tdot(left), rtol=1e-5)
    held = DenseRows(streamed, mask, frames)
    np.testing.assert_allclose(
        held.gather(slice(2, None, 8), np.arange(5)),
        DenseRows(values, mask, frames).gather(slice(2, None, 8), np.arange(5)),
    )


def test_torch_computes_the_same_products(small):
    values, _ = small
    numpy, torch = DenseRows(values), TorchRows(values, device="cpu")
    rng = np.random.default_rng(0)
    right, left = rng.random((120, 5), np.float32), rng.random((480, 5), np.float32)
    np.testing.assert_allclose(torch.dot(right), numpy.dot(right), rtol=1e-5)
    np.testing.assert_allclose(torch.tdot(left), numpy.tdot(left), rtol=1e-5)
    a = NonNegativeCP(3, n_starts=2, backend="torch", random_state=0).fit(values)
    b = NonNegativeCP(3, n_starts=2, random_state=0).fit(values)
    np.testing.assert_allclose(a.errors_, b.errors_, rtol=1e-4)


def test_lbfgs_descends_the_same_objective(middle):
    values, truth, _ = middle
    values = values[::4, :, ::4]
    model = NonNegativeCP(6, solver="lbfgs", n_starts=2, max_iter=300, random_state=0).fit(values)
    hals_model = NonNegativeCP(6, n_starts=2, random_state=0).fit(values)
    assert model.error_ == pytest.approx(hals_model.error_, abs=1e-3)
    assert compare.similarity(factors(model), [truth[0][::4], truth[1], truth[2][::4]]) > 0.98


def test_lbfgs_fits_an_exact_tensor_exactly():
    from neuro.ntf.factors.lbfgs import fit_lbfgs

    rng = np.random.default_rng(0)
    truth = [rng.random((n, 2)) for n in (6, 3, 10)]
    values = np.einsum("tr,wr,pr->twp", *truth)
    found, objective, _ = fit_lbfgs(values, 2, rng, max_iter=2000)
    assert objective < 1e-6 * (values**2).sum()
    np.testing.assert_allclose(np.einsum("tr,wr,pr->twp", *found), values, atol=1e-2)
