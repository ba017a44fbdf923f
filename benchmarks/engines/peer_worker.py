"""Fits with other Python packages, run by the interpreter of the environment they are installed in.

Stands alone (imports nothing of this repository). Each request is one line of JSON on standard input, each answer one line
that begins with ``@@``. Only what the packages document is called.
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


def glmm_fit(formula, frame, reml, **options):
    import glmm

    return glmm.fit(frame, formula, reml=reml, **options)


def glmm_default(formula, frame, reml):
    return glmm_fit(formula, frame, reml)


def glmm_bare(formula, frame, reml):
    return glmm_fit(formula, frame, reml, satterthwaite=False)


def mixedlm(formula, frame, reml):
    import mixedlm

    return mixedlm.lmer(formula, frame, REML=reml)


def lme_python(formula, frame, reml):
    import lme_python

    return lme_python.lmer(formula, data=frame, reml=reml)


def statsmodels(formula, frame, reml):
    import statsmodels.formula.api as smf

    bars = re.findall(r"\(([^()|]+)\|\s*([\w.]+)\s*\)", formula)
    if formula.count("|") != 1 or len(bars) != 1:
        raise ValueError("one grouping factor only")
    effects, group = (part.strip() for part in bars[0])
    fixed = re.sub(r"\s*\+?\s*\([^()]*\|[^()]*\)", "", formula)
    return smf.mixedlm(fixed, frame, groups=frame[group], re_formula=f"~{effects}").fit(reml=reml)


def objective_of(peer, fit, reml):
    """Minus twice the log likelihood that the fit reports."""
    if peer.startswith("glmm"):
        return -2.0 * fit.loglik
    if peer == "mixedlm":
        return -2.0 * float(fit.logLik().value if hasattr(fit.logLik(), "value") else fit.logLik())
    if peer == "lme-python":
        return float(fit.reml_criterion if reml and fit.reml_criterion is not None else -2.0 * fit.log_likelihood)
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
    peer, reml = request["peer"], request["reml"]
    if peer == "lme-python":  # its native frame, so that no conversion is charged to it
        key = request["data"] + " (polars)"
        if key not in frames:
            import polars

            frames[key] = polars.from_pandas(frame)
        frame = frames[key]
    call = PEERS[peer][1]
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(request["repeat"]):
        result = call(request["formula"], frame, reml)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    repeat = request["repeat"]
    return {"elapsed": wall / repeat, "cpu": cpu / repeat, "objective": objective_of(peer, result, reml)}


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
