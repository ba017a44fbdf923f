"""Colours that people with any colour vision tell apart,
and the marks and dashes that go with them in print.

The colours are those of Okabe and Ito (Color Universal Design, 2008), with a grey in the place of
their yellow, which is too light for lines.
"""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)), (0, (3, 3)))

#: More series than this cannot be told apart in one picture.
MOST_SERIES = len(COLOURS)

MAIN = COLOURS[0]
CONTRAST = COLOURS[1]
INK = "#222222"
QUIET = "#8A8A8A"
GRID = "#E4E4E4"
