"""The fitted models: thin methods over the frozen records of ``fit``; nothing is computed here."""
