"""Pictures: one a file.

Each function draws a frame that lower layers computed, and returns matplotlib Axes that carry the
drawn numbers as ``data``.
"""
