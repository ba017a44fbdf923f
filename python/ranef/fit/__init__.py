"""From a design to a frozen record of the fit; the only layer, with inference and scale, that calls
the compiled core.
"""
