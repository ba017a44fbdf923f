"""The fitted mixed model, flat, of chapters that are written once for all kinds."""

import os
from typing import Any, Self

from ranef.errors import ArgumentTypeError
from ranef.fit.ending.convergence import Convergence
from ranef.fit.request import OF_FIT
from ranef.results.model.diagnostics import DiagnosticsChapter
from ranef.results.model.estimates import EstimatesChapter
from ranef.results.model.intervals import IntervalsChapter
from ranef.results.model.marginal_means import MarginalMeansChapter
from ranef.results.model.plots import PlotsChapter
from ranef.results.model.resampling import ResamplingChapter
from ranef.results.model.rows import RowsChapter
from ranef.results.model.tables import TablesChapter
from ranef.results.model.tests import TestsChapter


class MixedModel(
    TablesChapter,
    PlotsChapter,
    DiagnosticsChapter,
    RowsChapter,
    EstimatesChapter,
    IntervalsChapter,
    ResamplingChapter,
    MarginalMeansChapter,
    TestsChapter,
):
    """A fitted mixed model. Made by ``ranef.lmer`` and its kin, not directly."""

    @property
    def is_singular(self) -> bool:
        """Whether some random direction has exactly zero variance."""
        return self._fit.singular

    @property
    def convergence(self) -> Convergence:
        """How the optimisation ended: a record, and printed a paragraph on whether the fit can be
        trusted and what to try.
        """
        return self._fit.convergence

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a file that ``ranef.load`` reads back without refitting.

        The file is a zip archive of JSON and NumPy arrays; it holds the model's matrices but not
        the data frame (the path of a file of data is kept). What is computed from the matrices
        works for a loaded model as before: tests, ``drop1``, ``ranova``, ``refit``, ``predict``.
        ``update`` needs ``data=``, and ``step``, if it leaves something out, a model that has its
        data again: ``model.update(data=...).step()``. A pickle has the columns that the model uses
        after ``ranef.options(keep_data=True)``; a copy by ``copy.deepcopy`` shares the data.

        Parameters
        ----------
        path : path
            Any name; no extension is added.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> import ranef, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     m.save(f"{folder}/sleep.ranef")
        ...     again = ranef.load(f"{folder}/sleep.ranef")
        >>> again.objective == m.objective
        True
        """
        if not isinstance(path, str | os.PathLike):
            raise ArgumentTypeError(f"path must be a file name, not {path!r}.")
        from ranef.fit.saved import save_fit

        save_fit(path, type(self).__name__, self._fit, self._request)

    def update(self, formula: str | None = None, **changed: Any) -> Self:
        """Fit again with something changed.

        Parameters
        ----------
        formula : str, optional
            A new formula, in which ``.`` stands for what was there: ``". ~ . + x"``.
        **changed
            Other arguments of the verb that has fitted the model, such as ``REML=False``,
            ``n_quad=9`` or ``data=...``. A model of streamed data is fitted by another criterion,
            or from another start, without reading them again.

        Returns
        -------
        LinearMixedModel or GeneralizedLinearMixedModel
            Of the same kind.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.update(". ~ . - Days", REML=False).fixef.round(2).to_dict()
        {'(Intercept)': 257.76}
        """
        sums = self._fit.design if self._fit.design.sums is not None else None
        if formula is not None or not changed.keys() <= OF_FIT:
            sums = None
        request = self._request.changed(formula, sums is None, **changed)
        return self.__class__(request.fitted(sums), request)
