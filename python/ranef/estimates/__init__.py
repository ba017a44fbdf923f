"""What follows from a fit without a test:
covariances, random effects, fitted values, residuals, predictions, simulated responses.
"""
