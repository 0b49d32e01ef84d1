"""Helpers of the tests: tables of cases, oracles written from the equations, small data sets."""
