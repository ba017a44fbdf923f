"""The page of a report: all its parts, put together and rendered.

The page is one file without scripts and without anything from elsewhere; its
Content-Security-Policy forbids both.
"""

import datetime
import importlib
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ranef.diagnostics.variance_shares import r_squared, variance_parts
from ranef.errors import MissingExtraError, OptionError, RanefError
from ranef.estimates.criteria import criteria
from ranef.estimates.intervals import checked_level
from ranef.estimates.varcorr import VarCorr, varcorr
from ranef.fit.record import MixedFit
from ranef.fit.request import ModelRequest
from ranef.inference.fixed_effect_tests import FixedEffectTests, Reference
from ranef.inference.wald import wald_intervals
from ranef.options import Ddf
from ranef.presentation.coding_text import coding_text
from ranef.presentation.document import Grid
from ranef.presentation.model_summary import model_call
from ranef.presentation.report.category_words import category_paragraph
from ranef.presentation.report.fixed_words import MOST, Coefficient, about_effects, fixed_sentences, overview_of_effects
from ranef.presentation.report.means_words import FactorMeans
from ranef.presentation.report.model_words import model_sentence, paragraphs, symbols
from ranef.presentation.report.overview import overview, used_sentence
from ranef.presentation.report.part_words import PartWords, part_words, shape_sentences, zero_paragraph
from ranef.presentation.report.phrases import decimals_for, number, p_cell, percent
from ranef.presentation.report.roles import Role, roles_of
from ranef.presentation.report.scale_words import EffectScale, base_of, effect_scale
from ranef.presentation.report.sources import citations, other_programs, python_call, versions
from ranef.presentation.report.trust import trust
from ranef.presentation.report.variance_words import Shares, share_sentences, variance_sentences
from ranef.presentation.rows_used import rows_used
from ranef.presentation.term_labels import label_of

if TYPE_CHECKING:
    from ranef.presentation.equations import Equations
    from ranef.translation import ModelDescription

_FOLDER = Path(__file__).parent
_MISSING = "reports need {}, which is not installed. Install it with: pip install 'ranef[report]'"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the page.

    Attributes
    ----------
    place : {"response", "fixed", "means", "random", "check"}
        The section it stands in.
    title, caption : str
    svg : str
        An ``svg`` element with a title and a description of its own.
    concern : bool
        Whether what it shows calls for caution.
    """

    place: str
    title: str
    caption: str
    svg: str
    concern: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What a report is of.

    Attributes
    ----------
    fit : MixedFit
    request : ModelRequest
    tests : FixedEffectTests
    ddf : {"satterthwaite", "kenward-roger", "residual", "none"}
    description : ModelDescription or None
        None where the model cannot be described for other programs, for the `reason`.
    equations : Equations or None
    data : str or None
        Name of the data.
    about : dict or None
        What is known of bundled data.
    version : str
    labels : mapping
        The user's texts for coefficients, variables and grouping factors.
    reason : str
    programs : sequence of (str, str, bool)
        Title, text and success of the model in other programs, where that is not by its
        description.
    """

    fit: MixedFit
    request: ModelRequest
    tests: FixedEffectTests
    ddf: Ddf
    description: "ModelDescription | None"
    equations: "Equations | None"
    data: str | None
    about: dict[str, Any] | None
    version: str
    labels: Mapping[str, str]
    reason: str = ""
    programs: Sequence[tuple[str, str, bool]] = ()


#: Endings of documents that the page is not.
_OTHERS = (".pdf", ".docx", ".doc", ".odt", ".md", ".tex", ".txt", ".ipynb")


def check_report_file(path: str | os.PathLike[str]) -> None:
    """Refuse the name of a document of another kind."""
    name = os.fspath(path)
    if name.lower().endswith(_OTHERS):
        raise OptionError(
            f"the report is a web page, whose file ends with .html, and {name!r} does not; a browser prints it as PDF."
        )


def require_report_libraries() -> None:
    """Raise an error that names the extra when jinja2 or matplotlib is missing."""
    for library in ("jinja2", "matplotlib"):
        try:
            importlib.import_module(library)
        except ImportError:
            raise MissingExtraError(_MISSING.format(library)) from None


def report_page(
    subject: Subject,
    pictures: Sequence[Picture],
    *,
    title: str | None,
    author: str | None,
    means: FactorMeans | None,
    level: float,
    now: datetime.datetime,
) -> str:
    """Render the page.

    Parameters
    ----------
    subject : Subject
    pictures : sequence of Picture
    title : str, optional
        Heading of the page; by default it names the response.
    author : str, optional
        Who made it.
    means : FactorMeans or None
        The means of factors, where there are some.
    level : float
        Of the intervals.
    now : datetime
        When the report was made.

    Returns
    -------
    str
        HTML.
    """
    require_report_libraries()
    import jinja2
    from markupsafe import Markup

    level = checked_level(level)
    fit, labels = subject.fit, subject.labels
    scale = effect_scale(fit, subject.description, labels)
    roles = roles_of(fit, labels)
    components = varcorr(fit, own=True)
    parts = part_words(fit, scale.response, labels, level)
    coefficients = coefficients_of(subject, level)
    shares, why = _shares(fit)
    judged = trust(fit, labels, [p.caption for p in pictures if p.concern])
    data = overview(fit, roles, scale, labels)
    reference = subject.tests.reference(subject.ddf)
    slopes: dict[str, tuple[str, ...]] = {}
    for term in fit.terms:
        for name in term.names:
            slopes[name] = (*slopes.get(name, ()), label_of(term.group, labels))
    groups = [label_of(g, labels) for g in dict.fromkeys(t.group for t in fit.terms)]
    known = subject.description.data if subject.description is not None else subject.data
    called = known if known and subject.data and known.isidentifier() else "data"
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER, encoding="utf-8"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    by_place = {
        place: [{"title": p.title, "caption": p.caption, "svg": Markup(p.svg)} for p in pictures if p.place == place]
        for place in ("response", "fixed", "means", "random", "check")
    }
    page: str = environment.get_template("page.html").render(
        title=title or f"{scale.response}: report on a {fit.title}",
        author=author,
        kind=fit.title,
        style=Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),
        formula=subject.request.formula,
        data=subject.data,
        facts=_facts(subject),
        model_sentence=model_sentence(fit, scale, labels),
        used_sentence=used_sentence(fit, labels),
        effects_sentence=_effects_sentence(coefficients, roles, means, level),
        paragraphs=[
            *paragraphs(fit, labels),
            *zero_paragraph(fit, scale.response),
            *([category_paragraph(fit, scale.response)] if fit.probability_types else []),
        ],
        equations=None if subject.equations is None else Markup(subject.equations.to_mathml()),
        symbols=symbols(fit),
        overview=data,
        pictures=by_place,
        trust=judged,
        fixed=_fixed_grid(coefficients, scale, level, reference),
        about_effects=about_effects(
            scale,
            groups,
            "normal" if reference == "z" else subject.ddf,
            any(not math.isnan(c.p_value) for c in coefficients),
            coefficients,
            base_of(fit, scale),
        ),
        fixed_sentences=fixed_sentences(coefficients, roles, scale, slopes, level, means is not None),
        fixed_rest=max(0, len(coefficients) - MOST),
        means=means,
        parts=[
            {
                "title": p.title,
                "about": p.about,
                "sentences": p.sentences,
                "grid": _part_grid(p, level, "z" if fit.cluster_df is None else "t"),
            }
            for p in parts
        ],
        variances=_variance_grid(varcorr(fit), labels),
        variance_sentences=[*variance_sentences(fit, components, roles, scale, labels), *shape_sentences(fit)],
        shares=[] if shares is None else share_sentences(shares, fit, scale, labels),
        shares_grid=None if shares is None else _share_grid(shares, labels),
        no_shares=why,
        criteria=_criteria_grid(fit),
        call=python_call(fit, subject.request, called),
        programs=subject.programs or other_programs(subject.description, subject.reason),
        citations=citations(subject.version, fit, subject.ddf, subject.about, shares is not None),
        versions=versions(subject.version),
        made=f"{now:%Y-%m-%d %H:%M}",
        day=f"{now:%Y-%m-%d}",
        version=subject.version,
    )
    return page


def _effects_sentence(
    coefficients: Sequence[Coefficient], roles: Sequence[Role], means: FactorMeans | None, level: float
) -> str:
    """Which effects the data distinguish from zero: terms where coefficients are those of a coding,
    single coefficients elsewhere.
    """
    if means is not None and means.overview and any(p.kind == "other" for r in roles for p in r.pieces):
        return means.overview
    interaction = "" if means is None else f" {means.sentences[0]}" if means.sentences else ""
    return f"{overview_of_effects(coefficients, roles, level)}{interaction}"


def coefficients_of(subject: Subject, level: float) -> list[Coefficient]:
    """The fixed effects with their tests and intervals.

    Parameters
    ----------
    subject : Subject
    level : float
    """
    fit, ddf = subject.fit, subject.ddf
    if not fit.x_names:
        return []
    found = subject.tests.coefficients(ddf)
    _, limits = wald_intervals(subject.tests, level, None, ddf)
    untested = subject.tests.reference(ddf) == "untested"
    p = np.full(len(fit.beta), np.nan) if untested else found.p_value
    df = np.broadcast_to(found.df, fit.beta.shape)
    return [
        Coefficient(
            name,
            label_of(name, subject.labels),
            float(fit.beta[j]),
            float(found.std_error[j]),
            float(df[j]),
            float(found.statistic[j]),
            float(p[j]),
            float(limits[j, 0]),
            float(limits[j, 1]),
        )
        for j, name in enumerate(fit.x_names)
    ]


def _shares(fit: MixedFit) -> tuple[Shares | None, str]:
    """ICC and R², or why there are none."""
    try:
        parts, r2 = variance_parts(fit), r_squared(fit)
    except (RanefError, NotImplementedError) as problem:
        return None, f"R² and the intraclass correlation are not available: {problem}"
    total = sum(parts.random.values()) + parts.residual
    if not (math.isfinite(total) and total > 0):
        return None, "R² and the intraclass correlation are not available: there is no variance left to share."
    by_group = tuple((g, v / total) for g, v in parts.random.items())
    return Shares(sum(s for _, s in by_group), r2.marginal, r2.conditional, by_group), ""


#: What stands beside the formula in a summary and belongs to the model.
_BESIDE = ("Correlation", "Variance", "Structure", "Zero part", "Dispersion", "Nominal", "Scale")


def _facts(subject: Subject) -> list[tuple[str, str]]:
    fit, request = subject.fit, subject.request
    facts = [("Formula", fit.code)]
    call = dict(model_call(fit, request).labelled())
    facts += [(name, call[name]) for name in _BESIDE if name in call]
    if subject.data:
        facts.append(("Data", subject.data))
    if fit.family_shown:
        facts.append(("Family and link", f"{fit.family.label(fit.spread)}, {fit.family.link}"))
    if fit.integral_exact:
        facts.append(("Method", "REML" if fit.reml else "maximum likelihood"))
    else:
        facts.append(("Method", {0: "penalised", 1: "Laplace"}.get(fit.n_quad, f"quadrature, {fit.n_quad} nodes")))
    for name in ("weights", "offset", "subset"):
        value = getattr(request, name)
        if value is not None:
            facts.append((name.capitalize(), value if isinstance(value, str) else "given as values"))
    if (coding := coding_text(fit)) is not None:
        facts.append(("Coding", coding))
    if subject.labels:
        facts.append(("Names in the data", "; ".join(f"{name} = {text}" for name, text in subject.labels.items())))
    facts.append(("Rows used", rows_used(fit) or str(fit.nobs)))
    facts.append(
        (
            "Groups",
            "; ".join(
                f"{label_of(g, subject.labels)} {n}" for g, n in {t.group: t.n_groups for t in fit.terms}.items()
            ),
        )
    )
    return facts


def _fixed_grid(
    coefficients: Sequence[Coefficient], scale: EffectScale, level: float, reference: Reference
) -> Grid | None:
    if not coefficients:
        return None
    columns = ["fixed effect", "estimate", "standard error", f"{percent(level)} from", f"{percent(level)} to"]
    if reference == "t":
        columns.append("df")
    columns.append("z" if reference == "z" else "t")
    if reference != "untested":
        columns.append("p")
    if scale.multiplies:
        columns += [f"{scale.ratio}", "from", "to"]
    rows = []
    for c in coefficients:
        places = decimals_for(c.std_error)
        cells = [c.text, *(_fixed(v, places) for v in (c.estimate, c.std_error, c.lower, c.upper))]
        if reference == "t":
            cells.append(_fixed(c.df, 1))
        cells.append(_fixed(c.statistic, 2))
        if reference != "untested":
            cells.append(p_cell(c.p_value))
        if scale.multiplies:
            cells += [
                "" if c.name == "(Intercept)" else number(math.exp(min(v, 700.0)))
                for v in (c.estimate, c.lower, c.upper)
            ]
        rows.append(tuple(cells))
    return Grid("Fixed effects", tuple(columns), tuple(rows), 1)


def _part_grid(part: PartWords, level: float, reference: Reference) -> Grid | None:
    grid = _fixed_grid(part.coefficients, part.scale, level, reference)
    return None if grid is None else replace(grid, caption=part.title)


def _fixed(x: float, places: int) -> str:
    if not math.isfinite(x):
        return "n/a" if math.isnan(x) else "∞" if x > 0 else "-∞"
    return f"{x:.{places}f}"


def _variance_grid(components: VarCorr, labels: Mapping[str, str]) -> Grid:
    widest = max((len(b.names) for b in components.values() if not b.diagonal and len(b.names) > 1), default=0)
    rows: list[tuple[str, ...]] = []
    for key, block in components.items():
        for i, name in enumerate(block.names):
            correlated = not block.diagonal and len(block.names) > 1
            r = [_fixed(float(block.corr[i, j]), 2) for j in range(i)] if correlated else []
            sd = float(block.sd[i])
            rest = [""] * (max(0, widest - 1) - len(r))
            texts = (_group_text(key, block.group, labels), label_of(name, labels))
            rows.append((*texts, number(sd**2, 4), number(sd, 4), *r, *rest))
    if components.sigma is not None:
        s = float(components.sigma)
        rows.append(("Residual", "", number(s**2, 4), number(s, 4), *[""] * max(0, widest - 1)))
    extra = [f"correlation with effect {j + 1}" for j in range(max(0, widest - 1))]
    return Grid(
        "Variance components",
        ("group", "effect", "variance", "standard deviation", *extra),
        tuple(rows),
        2,
        "Correlations are with the effects above in the same group, in their order." if extra else "",
    )


def _group_text(key: str, group: str, labels: Mapping[str, str]) -> str:
    """A grouping factor, with the part of the model that has the effects where it is another."""
    of = (
        {"zi": " (zeros)", "disp": " (dispersion)", "scale": " (scale)"}.get(key.split(":", 1)[0], "")
        if key != group
        else ""
    )
    return f"{label_of(group, labels)}{of}"


def _share_grid(shares: Shares, labels: Mapping[str, str]) -> Grid:
    rows = [
        (
            f"intraclass correlation, {label_of(g, labels)}" if len(shares.by_group) > 1 else "intraclass correlation",
            f"{v:.3f}",
        )
        for g, v in shares.by_group
    ]
    if len(shares.by_group) > 1:
        rows.append(("intraclass correlation, together", f"{shares.adjusted:.3f}"))
    rows += [("marginal R²", f"{shares.marginal:.3f}"), ("conditional R²", f"{shares.conditional:.3f}")]
    return Grid("Shares of variance", ("share", "value"), tuple(rows), 1)


def _criteria_grid(fit: MixedFit) -> Grid:
    c = criteria(fit)
    name = "REML criterion" if fit.reml else "-2 log-likelihood"
    found = {name: fit.objective, "log-likelihood": c.llf, "AIC": c.aic, "BIC": c.bic}
    # a pseudo-likelihood has no information criteria
    shown = {label: f"{value:.1f}" for label, value in found.items() if not math.isnan(value)}
    shown |= {"parameters": str(fit.npar), "rows": str(fit.nobs)}
    if fit.reml:
        remark = "The log-likelihood, AIC and BIC are those of the restricted likelihood."
    elif "AIC" in shown:
        remark = "Smaller AIC and BIC are better, among models of the same rows and response."
    else:
        remark = "With sampling weights the likelihood is that of no sample: it compares no models."
    return Grid("Fit", tuple(shown), (tuple(shown.values()),), 0, remark)
