from sklearn_metabp._kernels.reference import link_inputs as link_inputs
from sklearn_metabp._kernels.reference import link_updates as link_updates
