/* Messages from neuron to neuron, for float32 (_f32) and float64 (_f64). */
#ifndef SKLEARN_METABP_NEURON_LOOPS_H
#define SKLEARN_METABP_NEURON_LOOPS_H

#include "link_loops.h"

/* The inputs of the neuron scope, in the order of reference.NEURON_INPUTS. */
enum { NEURON_DELTA, NEURON_WEIGHT, NEURON_DERIVATIVE };

#define REAL double
#define NAME(name) name##_f64
#include "neuron_loops_template.h"
#undef REAL
#undef NAME

#define REAL float
#define NAME(name) name##_f32
#include "neuron_loops_template.h"
#undef REAL
#undef NAME

#endif
