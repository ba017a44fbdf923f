"""The fitted mixed model by chapters, each written once for all kinds of models."""
