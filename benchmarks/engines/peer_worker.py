"""Fits with other Python packages, run by the interpreter of the environment they are installed in.

Stands alone (imports nothing of this repository). Each request is one line of JSON on standard
input, each answer one line that begins with ``@@``. Only what the packages document is called.
"""

import importlib.metadata
import json
import re
import sys
import time
import warnings

warnings.simplefilter("ignore")
frames = {}


def load(path):
    import pandas as pd

    return pd.read_parquet(path)


def glmm_fit(formula, frame, how, **options):
    import glmm

    if how["family"] is not None:
        return glmm.fit(frame, formula, family=how["family"], nagq=how["n_quad"])
    return glmm.fit(frame, formula, reml=how["reml"], **options)


def glmm_default(formula, frame, how):
    return glmm_fit(formula, frame, how)


def glmm_bare(formula, frame, how):
    if how["family"] is not None:
        raise ValueError("the same as glmm: generalized models have no degrees of freedom")
    return glmm_fit(formula, frame, how, satterthwaite=False)


def mixedlm(formula, frame, how):
    import mixedlm

    if how["family"] is not None:
        return mixedlm.glmer(
            formula, frame, family=getattr(mixedlm.families, how["family"].title())(), nAGQ=how["n_quad"]
        )
    return mixedlm.lmer(formula, frame, REML=how["reml"])


def lme_python(formula, frame, how):
    import lme_python

    if how["family"] is not None:
        return lme_python.glmer(formula, data=frame, family_name=how["family"], n_agq=how["n_quad"])
    return lme_python.lmer(formula, data=frame, reml=how["reml"])


def statsmodels(formula, frame, how):
    import statsmodels.formula.api as smf

    if how["family"] is not None:
        raise ValueError("no maximum likelihood for generalized models")

    bars = re.findall(r"\(([^()|]+)\|\s*([\w.]+)\s*\)", formula)
    if formula.count("|") != 1 or len(bars) != 1:
        raise ValueError("one grouping factor only")
    effects, group = (part.strip() for part in bars[0])
    fixed = re.sub(r"\s*\+?\s*\([^()]*\|[^()]*\)", "", formula)
    return smf.mixedlm(fixed, frame, groups=frame[group], re_formula=f"~{effects}").fit(reml=how["reml"])


def objective_of(peer, fit, how):
    """Minus twice the log likelihood that the fit reports."""
    if peer.startswith("glmm"):
        return -2.0 * fit.loglik
    if peer == "mixedlm":
        return -2.0 * float(fit.logLik().value if hasattr(fit.logLik(), "value") else fit.logLik())
    if peer == "lme-python":
        return float(
            fit.reml_criterion if how["reml"] and fit.reml_criterion is not None else -2.0 * fit.log_likelihood
        )
    return -2.0 * float(fit.llf)


PEERS = {
    "glmm": ("glmm", glmm_default),
    "glmm, no df": ("glmm", glmm_bare),
    "mixedlm": ("mixedlm", mixedlm),
    "lme-python": ("lme-python", lme_python),
    "statsmodels": ("statsmodels", statsmodels),
}


def versions():
    """The peers that can be imported, with their versions; the reason for each that cannot."""
    found, missing = {}, {}
    for peer, (distribution, _) in PEERS.items():
        try:
            __import__(distribution.replace("-", "_"))
            found[peer] = importlib.metadata.version(distribution)
        except Exception as error:
            missing[peer] = f"{type(error).__name__}: {error}"
    return {"found": found, "missing": missing}


def fit(request):
    frame = frames[request["data"]]
    peer = request["peer"]
    how = {key: request[key] for key in ("reml", "family", "n_quad")}
    if peer == "lme-python":  # its native frame, so that no conversion is charged to it
        key = request["data"] + " (polars)"
        if key not in frames:
            import polars

            frames[key] = polars.from_pandas(frame)
        frame = frames[key]
    call = PEERS[peer][1]
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(request["repeat"]):
        result = call(request["formula"], frame, how)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    repeat = request["repeat"]
    return {"elapsed": wall / repeat, "cpu": cpu / repeat, "objective": objective_of(peer, result, how)}


def main():
    print("@@" + json.dumps(versions()), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "load":
                frames[request["data"]] = load(request["path"])
                answer = {}
            else:
                answer = fit(request)
        except BaseException as error:  # some panics of compiled packages are not Exceptions
            if isinstance(error, KeyboardInterrupt):
                raise
            answer = {"error": f"{type(error).__name__}: {error}".replace("\n", " ")[:160]}
        print("@@" + json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
