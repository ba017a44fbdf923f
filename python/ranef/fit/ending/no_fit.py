"""Why one of many fits has no estimates, in a few words."""

#: Status of a group some of whose variances are given by convention: the core leaves these.
UNIDENTIFIED = "unidentified"

#: What the statuses of groups without estimates mean.
NO_FIT = {
    "no_rows": "no rows",
    "too_few_rows": "too few rows for the fixed effects",
    "one_level": "one level of a grouping factor",
    "too_many_levels": "as many random effects as rows",
    "rank_deficient": "dependent fixed effects",
    "constant": "constant response",
    "non_finite": "no finite criterion",
    UNIDENTIFIED: "random effects that the fixed effects explain",
}
