"""The numbers: flat arrays in, flat arrays out.

One package per subject: ``network`` (forward and backward), ``rules`` (steps of update rules),
``scopes`` (learned update rules) and ``summaries`` (statistics of a step). Each offers its compiled
modules where they could be built and their NumPy fallbacks elsewhere, under the same names.
"""

from sklearn_metabp._kernels import network, rules, scopes, summaries

COMPILED = network.COMPILED and rules.COMPILED and scopes.COMPILED and summaries.COMPILED

__all__ = ["COMPILED"]
