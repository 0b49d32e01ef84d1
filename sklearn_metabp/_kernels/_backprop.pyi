from sklearn_metabp._kernels.reference import Backprop as Backprop
