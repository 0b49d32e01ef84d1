from sklearn_metabp._kernels.reference import PatternRule as PatternRule
