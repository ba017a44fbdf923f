"""The report of a fitted model: one page for people who do not know the program."""

import datetime
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ranef.errors import ArgumentTypeError, DataError, RanefError
from ranef.estimates.intervals import normal_multiplier
from ranef.options import Ddf
from ranef.results.translated import TranslatedModel

if TYPE_CHECKING:
    from ranef.inference.fixed_effect_tests import FixedEffectTests
    from ranef.presentation.report.page import Subject


class ReportedModel(TranslatedModel):
    """Reports of a mixed model."""

    @property
    def _tested(self) -> "FixedEffectTests":
        tests: FixedEffectTests = self._tests  # type: ignore[attr-defined]
        return tests

    def report(
        self, path: str | os.PathLike[str], *, title: str | None = None, level: float = 0.95, rng: Any = 1
    ) -> Path:
        """Write a report: one web page that says what was fitted, whether to trust it and what it means.

        It is a single HTML file with its pictures in it, which loads nothing and runs nothing, reads well on a screen (light or dark), a telephone and paper, and has the model in
        words and equations, the data in numbers, all tables, what variances and effects mean, diagnostic pictures each with a sentence, and the same model in other
        programs. Needs jinja2 and matplotlib, which ``pip install 'ranef[report]'`` brings.

        Parameters
        ----------
        path : path
            The file to write; one that is there is replaced.
        title : str, optional
            Heading of the page.
        level : float
            Level of the intervals.
        rng : int, numpy.random.Generator or None
            Seed or generator of what is simulated for the diagnostics. The default makes the same page of the same model every time; None takes a fresh seed.

        Returns
        -------
        Path
            Of the file.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.report("sleep.html")  # doctest: +SKIP
        PosixPath('sleep.html')
        """
        if not isinstance(path, str | os.PathLike):
            raise ArgumentTypeError(f"path must be a file name, not {path!r}.")
        if title is not None and not isinstance(title, str):
            raise ArgumentTypeError(f"title must be text, not {title!r}.")
        normal_multiplier(level)
        from ranef.presentation.report.page import report_page, require_report_libraries
        from ranef.results.report_pictures import report_pictures

        require_report_libraries()
        page = report_page(
            self._subject(),
            report_pictures(self, level, rng),
            title=title,
            level=level,
            now=datetime.datetime.now(),
        )
        target = Path(path)
        try:
            target.write_text(page, encoding="utf-8")
        except OSError as problem:
            raise DataError(
                f"the report cannot be written to {str(target)!r}: {problem.strerror or problem}."
            ) from None
        return target

    def _subject(self) -> "Subject":
        from ranef import __version__
        from ranef.datasets import registry
        from ranef.presentation.model_summary import data_name
        from ranef.presentation.report.page import Subject

        try:
            described, reason = self._described(True), ""
        except RanefError as problem:
            described, reason = None, str(problem)
        try:
            equations = self.equations()
        except RanefError:
            equations = None
        data = data_name(self._request.data)
        bundled = not isinstance(self._request.data, str | os.PathLike) and data is not None
        ddf: Ddf = self._request.ddf
        return Subject(
            fit=self._fit,
            request=self._request,
            tests=self._tested,
            ddf=ddf,
            description=described,
            equations=equations,
            data=data,
            about=registry().get(data) if bundled and data is not None else None,
            version=__version__,
            reason=reason,
        )
