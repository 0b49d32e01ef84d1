from sklearn_metabp._kernels.reference import LinkRule as LinkRule
from sklearn_metabp._kernels.reference import link_inputs as link_inputs
