from sklearn_metabp._kernels.reference import NeuronRule as NeuronRule
