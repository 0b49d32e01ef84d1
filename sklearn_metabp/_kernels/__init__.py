"""The numbers: flat arrays in, flat arrays out.

One package per subject: ``network`` (forward and backward), ``recurrent`` (the same through time),
``rules`` (steps of update rules), ``scopes`` (learned update rules) and ``summaries`` (statistics
of a step). Each offers its compiled modules where they could be built and their NumPy fallbacks
elsewhere, under the same names.
"""

from sklearn_metabp._kernels import network, recurrent, rules, scopes, summaries

COMPILED = all(part.COMPILED for part in (network, recurrent, rules, scopes, summaries))

__all__ = ["COMPILED"]
