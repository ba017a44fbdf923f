"""What a fitted model looks like:
numbers, labels and tables as text, HTML, Markdown and LaTeX, all from the `Summary` record.
"""
