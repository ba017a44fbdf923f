"""The verbs of the package, one file each."""
