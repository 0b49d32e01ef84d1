"""Derivatives of a fitted network's outputs and loss by its inputs and parameters."""

from sklearn_metabp.derivatives.gradients import input_gradients
from sklearn_metabp.derivatives.hessians import hessian, hessian_vector_product
from sklearn_metabp.derivatives.jacobians import jacobian, multiplications
from sklearn_metabp.derivatives.parameters import parameter_jacobian

__all__ = [
    "hessian",
    "hessian_vector_product",
    "input_gradients",
    "jacobian",
    "multiplications",
    "parameter_jacobian",
]
