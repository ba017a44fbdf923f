"""What a fit rests on: leverage, influence, collinearity,
shares of variance, and whether its residuals look as the model says.
"""
