"""Fits of one model to very many responses, a block of them after another."""

import os
from dataclasses import replace
from typing import Any

import numpy as np

from ranef.data.frame_file import FrameFile
from ranef.errors import DataError
from ranef.fit.control import FitControl
from ranef.fit.ending.messages import refit_messages
from ranef.fit.progress import Report
from ranef.fit.record import MixedFit
from ranef.fit.refits.blocks import ResponseBlocks
from ranef.fit.refits.refit import Refits, fit_to_responses
from ranef.fit.refits.responses import responses_for


def fit_to_blocks(
    fit: MixedFit,
    responses: ResponseBlocks,
    control: FitControl,
    to: str | os.PathLike[str] | None,
    progress: Report | None,
) -> tuple[Refits | None, tuple[str, ...]]:
    """Fit the model of ``fit`` to all responses.

    Parameters
    ----------
    fit : MixedFit
    responses : ResponseBlocks
        A block may also be a pair of what `responses_for` gives.
    control : FitControl
    to : path or None
        A Parquet file for the table.
    progress : callable, optional

    Returns
    -------
    refits : Refits or None
        None where they are in the file.
    messages : tuple of str
        What the user should know of those without an optimum.
    """
    parts: list[Refits] = []
    troubled: list[Refits] = []
    done = 0

    def shown(block: int) -> Report | None:
        if progress is None:
            return None
        before, total = done, responses.count or done + block
        return lambda count, _: progress(before + int(count), total)

    out = FrameFile(to)
    with out:
        for block in responses.blocks:
            values, names = block if isinstance(block, tuple) else responses_for(fit, block)
            if values.ndim == 1:
                values = values[:, None]
            m = values.shape[1]
            found = fit_to_responses(fit, values, names, control, shown(m))
            if names is None:
                found = replace(found, response_names=tuple(range(done, done + m)))
            done += m
            if to is None:
                parts.append(found)
            else:
                out.add(_table(found))
                if not found.converged.all():
                    troubled.append(_chosen(found, ~found.converged))
    if not done:
        raise DataError("y has no column.")
    if to is None:
        whole = Refits.joined(parts)
        return whole, refit_messages(whole)
    return None, refit_messages(Refits.joined(troubled)) if troubled else ()


def _table(found: Refits) -> Any:
    frame = found.to_frame()
    frame.insert(0, "response", [str(n) for n in frame.index])
    return frame


def _chosen(found: Refits, which: "np.ndarray[Any, np.dtype[np.bool_]]") -> Refits:
    """Some of the responses."""
    names = tuple(n for n, w in zip(found.response_names, which.tolist(), strict=True) if w)
    arrays = ("objective", "fixef", "bse", "theta", "sigma", "dispersion", "nobs", "status")
    return replace(found, **{a: getattr(found, a)[which] for a in arrays}, response_names=names)
