"""Cluster-robust (sandwich) covariance of the fixed effects,
valid when the covariance model is wrong within clusters.

Write V for the covariance of the response under the model, M = (X'V⁻¹X)⁻¹ for that of the fixed
effects and e = y - Xβ for the residuals. The estimator is
``M (Σ X_c' V_c⁻¹ A_c e_c e_c' A_c' V_c⁻¹ X_c) M`` over clusters c. CR0 has A = I. CR2 has the
symmetric matrix with ``A_c (V_c - X_c M X_c') A_c = V_c``, which makes it unbiased where the model
is correct (Bell and McCaffrey 2002; Pustejovsky and Tipton 2018). Degrees of freedom match the
first two moments of the estimated variance under the model to those of a chi-square, and for
several contrasts together those of a Wishart distribution (the approximate Hotelling test HTZ of
the same paper).

CR0 and CR1 need V⁻¹ X only, which the core has. For CR2 everything that matters of a cluster lies
in the span of its columns of X and ZΛ, so that matrices of that order are formed and none of the
order of its rows (weighted fits excepted, where V has no multiple of the identity outside that
span).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ranef.errors import DesignError, OptionError
from ranef.estimates.fixed_basis import FixedBasis, fixed_basis
from ranef.estimates.random_columns import solved_columns
from ranef.estimates.residuals import residual_values
from ranef.fit.record import MixedFit
from ranef.inference.cluster_robust.clusters import Clusters, Correction, sample_factor, shared_groups

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

#: Largest order of the matrices of a cluster for CR2.
LIMIT = 6000

#: Numbers in the arrays of one batch of clusters.
BATCH = 4_000_000

#: Eigenvalues below this share of the largest are zero.
ZERO = 1e-10

#: Clusters share a batch while the largest has at most so many times the rows of the smallest, and
#: so many more.
SIMILAR, SIMILAR_ROWS = 1.25, 4

#: From so many clusters on the largest width of a batch is not looked up anew for every one.
MANY = 64


@dataclass(frozen=True, eq=False)
class ClusterRobust:
    """The sandwich estimator of one fit.

    Attributes
    ----------
    fit : MixedFit
    correction : str
    clusters : Clusters
    """

    fit: MixedFit
    correction: Correction
    clusters: Clusters

    def __post_init__(self) -> None:
        if self.correction == "CR2" and not self.clusters.independent:
            raise OptionError(
                "CR2 needs clusters whose rows are independent of those of other clusters in the model, and levels of "
                f"{', '.join(shared_groups(self.fit, self.clusters))} have rows in several clusters of "
                f"{self.clusters.name!r}. Cluster by a factor that contains all grouping factors, or take cov='CR0' or "
                "'CR1'."
            )

    @cached_property
    def scores(self) -> Floats:
        """For every cluster ``sigma X_c' V_c⁻¹ A_c e_c`` for X in the coordinates of the basis,
        (clusters, p): neither sigma² nor its inverse, which may not be representable.
        """
        if self.correction == "CR2":
            return self._pieces[0]
        # V⁻¹ e is the conditional residual divided by the residual variance.
        fit = self.fit
        weights = 1.0 if fit.design.weights is None else fit.design.weights
        score = residual_values(fit, "response") / fit.sigma * weights
        products = [np.bincount(self.clusters.codes, column * score, self.clusters.count) for column in self._x.T]
        return np.column_stack(products) if products else np.zeros((self.clusters.count, 0))

    @cached_property
    def factor(self) -> float:
        """What CR1 and its kin multiply by."""
        return sample_factor(self.correction, self.clusters.count, self.fit.nobs, len(self.fit.beta))

    @cached_property
    def basis(self) -> FixedBasis:
        """The coordinates in which all is computed: M is the identity there."""
        basis = fixed_basis(self.fit)
        assert basis is not None
        return basis

    @cached_property
    def _x(self) -> Floats:
        """X in these coordinates, (n, p)."""
        return self.basis.columns(self.fit.x)

    def covariance_of(self, rows: Floats) -> Floats:
        """Covariance matrix (q, q) of contrasts (q, p), divided by sigma²."""
        parts = self.scores @ self.basis.columns(rows).T
        out: Floats = self.factor * parts.T @ parts
        return out

    def variance_of(self, rows: Floats) -> Floats:
        """Variances (q,) of contrasts (q, p), divided by sigma²."""
        out: Floats = self.factor * np.sum((self.scores @ self.basis.columns(rows).T) ** 2, axis=0)
        return out

    @property
    def covariance(self) -> Floats:
        """Covariance matrix of the fixed effects, (p, p)."""
        return self.covariance_of(np.eye(len(self.fit.beta))) * self.fit.sigma**2

    @cached_property
    def _pieces(self) -> tuple[Floats, Floats, Floats]:
        if self.correction == "CR2":
            return _adjusted_pieces(self.fit, self._x, self.clusters)
        # Clusters share no random effects: their rows of V⁻¹ X are V_c⁻¹ X_c, and B'VB is X'B.
        x, b, (codes, count) = self._x, solved_columns(self.fit, self.basis), (self.clusters.codes, self.clusters.count)
        sums = [[np.bincount(codes, left * right, count) for right in b.T] for left in x.T]
        cross = np.moveaxis(np.array(sums).reshape(x.shape[1], x.shape[1], count), 2, 0)
        return self.scores, cross, cross

    def expected_and_spread(self, rows: Floats) -> tuple[Floats, Floats]:
        """Moments, under the model,
        of the estimated covariance matrix of contrasts divided by sigma².

        Parameters
        ----------
        rows : (q, p) array

        Returns
        -------
        expected : (q, q) array
        variances : (q, q) array
            Of the entries.
        """
        _, inner, cross = self._pieces
        right = self.basis.columns(rows).T
        # w_s' V w_t and X' w_s of every cluster, with w = A' V⁻¹ X M rows'.
        own = np.einsum("ps,cpr,rt->cst", right, inner, right)
        outside = np.einsum("ckr,rt->ckt", cross, right)
        expected = (own - np.einsum("cks,ckt->cst", outside, outside)).sum(axis=0)
        q = len(rows)
        variances = np.empty((q, q))
        for s in range(q):
            for t in range(s + 1):
                both = np.einsum("ck,cl->kl", outside[:, :, s], outside[:, :, t])
                # Residuals of different clusters are correlated by -X M X' only, so that the sum
                # over all pairs is a product of sums; pairs of a cluster with itself are put right
                # after.
                share_s = np.einsum("ck,ck->c", outside[:, :, s], outside[:, :, s])
                share_t = np.einsum("ck,ck->c", outside[:, :, t], outside[:, :, t])
                share = np.einsum("ck,ck->c", outside[:, :, s], outside[:, :, t])
                ss, tt, inside = own[:, s, s] - share_s, own[:, t, t] - share_t, own[:, s, t] - share
                pairs = np.sum(both * both) + np.sum(both * both.T)
                value = pairs - np.sum(share_s * share_t + share**2) + np.sum(ss * tt + inside**2)
                variances[s, t] = variances[t, s] = value
        return expected, variances


def _adjusted_pieces(fit: MixedFit, columns: Floats, clusters: Clusters) -> tuple[Floats, Floats, Floats]:
    """Of every cluster, with B = A' V⁻¹ X and V in units of sigma²:
    B'e / sigma (the score), B'VB and X'B; for X in coordinates in which M is the identity.
    """
    p, count, n = len(fit.beta), clusters.count, fit.nobs
    order = np.argsort(clusters.codes, kind="stable")
    sizes = np.bincount(clusters.codes, minlength=count)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    random = _RandomParts(fit, clusters, order)
    error = (fit.design.y - fit.fixed_part()) / fit.sigma
    weights = fit.design.weights
    score, inner, cross = np.empty((count, p)), np.empty((count, p, p)), np.empty((count, p, p))
    for batch in _batches(sizes, random.widths, p):
        rows, width = int(sizes[batch].max()), int(random.widths[batch].max())
        k = len(batch)
        # Rows of zeros, where a cluster is smaller than others, are independent noise that nothing
        # depends on.
        place = starts[batch, np.newaxis] + np.arange(rows)
        real = np.arange(rows) < sizes[batch, np.newaxis]
        taken = order[np.minimum(place, n - 1)]
        x = np.where(real[:, :, np.newaxis], columns[taken], 0.0)
        e = np.where(real, error[taken], 0.0)
        z = random.columns(batch, rows, width)
        if weights is None:
            basis = np.linalg.qr(np.concatenate([x, z], axis=2), mode="reduced")[0]
            turned = np.swapaxes(basis, 1, 2)
            x, e, z = turned @ x, (turned @ e[:, :, np.newaxis])[:, :, 0], turned @ z
            noise = np.broadcast_to(np.eye(x.shape[1]), (k, x.shape[1], x.shape[1]))
        else:
            spread = np.where(real, 1.0 / weights[taken], 1.0)
            noise = spread[:, :, np.newaxis] * np.eye(rows)
        v = noise + z @ np.swapaxes(z, 1, 2)
        b = _geometric_mean(v, v - x @ np.swapaxes(x, 1, 2)) @ np.linalg.solve(v, x)
        score[batch] = np.einsum("crp,cr->cp", b, e)
        inner[batch] = np.swapaxes(b, 1, 2) @ v @ b
        cross[batch] = np.swapaxes(x, 1, 2) @ b
    return score, inner, cross


def _geometric_mean(v: Floats, s: Floats) -> Floats:
    """The symmetric A with A s A = v, where s may be singular:
    root (root s root)^(-1/2) root, with root the symmetric square root of v.
    """
    values, vectors = np.linalg.eigh(v)
    root = (vectors * np.sqrt(values)[:, np.newaxis, :]) @ np.swapaxes(vectors, 1, 2)
    values, vectors = np.linalg.eigh(root @ s @ root)
    kept = values > ZERO * values[:, -1:]
    inverse = np.where(kept, 1.0 / np.sqrt(np.where(kept, values, 1.0)), 0.0)
    out: Floats = root @ ((vectors * inverse[:, np.newaxis, :]) @ np.swapaxes(vectors, 1, 2)) @ root
    return out


def _batches(sizes: Ints, widths: Ints, p: int) -> list[Ints]:
    """Clusters of similar size together, as many as fit in one batch."""
    order = np.lexsort((widths, sizes))
    out: list[Ints] = []
    start = 0
    while start < len(order):
        stop = start
        while stop < len(order):
            first, last = order[start], order[stop]
            largest = (
                int(widths[order[start : stop + 1]].max())
                if stop - start < MANY
                else int(widths[order[start:stop]].max())
            )
            cost = (stop - start + 1) * int(sizes[last]) * (p + max(largest, int(widths[last])) + 1)
            if stop > start and (cost > BATCH or sizes[last] > SIMILAR * sizes[first] + SIMILAR_ROWS):
                break
            stop += 1
        out.append(order[start:stop].astype(np.intp))
        start = stop
    return out


class _RandomParts:
    """The columns of ZΛ that belong to each cluster.

    Parameters
    ----------
    fit : MixedFit
    clusters : Clusters
    order : (n,) array
        Rows sorted by cluster.
    """

    def __init__(self, fit: MixedFit, clusters: Clusters, order: Ints):
        count = clusters.count
        self._order = order
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(clusters.codes, minlength=count))])
        self._terms: list[tuple[Ints, Floats, Ints, int]] = []
        self.widths = np.zeros(count, dtype=np.intp)
        for term, factor in zip(fit.terms, fit.relative_factors, strict=True):
            k = len(term.names)
            home = np.zeros(len(term.levels), dtype=np.intp)
            home[term.codes] = clusters.codes
            # Number the levels within their cluster.
            by_home = np.argsort(home, kind="stable")
            per = np.bincount(home, minlength=count)
            local = np.empty(len(home), dtype=np.intp)
            local[by_home] = np.arange(len(home)) - np.repeat(np.concatenate([[0], np.cumsum(per)[:-1]]), per)
            self._terms.append((local[term.codes], term.z @ factor, per.astype(np.intp), k))
            self.widths += per * k
        largest = int(self.widths.max(initial=0))
        if largest > LIMIT:
            raise DesignError(
                f"a cluster has {largest:,} random effects, and matrices of their order are needed; the limit is "
                f"{LIMIT:,}. Take cov='CR0' or 'CR1'."
            )
        rows = int(np.diff(self._starts).max())
        if fit.design.weights is not None and rows > LIMIT:
            raise DesignError(
                "with prior weights matrices of the order of the rows of a cluster are needed; the largest has "
                f"{rows:,}, the limit is {LIMIT:,}. Take cov='CR0' or 'CR1'."
            )

    def columns(self, batch: Ints, rows: int, width: int) -> Floats:
        """ZΛ of a batch of clusters, (clusters, rows, width), filled up by zeros."""
        out = np.zeros((len(batch), rows, width))
        for place, cluster in enumerate(batch.tolist()):
            taken = self._order[self._starts[cluster] : self._starts[cluster + 1]]
            at = 0
            inside = np.arange(len(taken))
            for local, values, per, k in self._terms:
                for j in range(k):
                    out[place, inside, at + local[taken] * k + j] = values[taken, j]
                at += int(per[cluster]) * k
        return out
