"""The report: one page of HTML on what was fitted, whether to trust it and what it means.

The sentences are made in files of their own, `page` puts them together with tables and pictures,
and the look is in ``page.html`` and ``page.css``.
"""
