from sklearn_metabp._kernels.reference_rules import adam_step as adam_step
from sklearn_metabp._kernels.reference_rules import apply_updates as apply_updates
from sklearn_metabp._kernels.reference_rules import momentum_step as momentum_step
from sklearn_metabp._kernels.reference_rules import sgd_step as sgd_step
