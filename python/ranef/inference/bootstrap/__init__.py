"""Bootstrap of a fitted model:
replicates drawn and fitted in the core, what is kept of them, and intervals and tests made of them.
"""
