/* Steps that a part of the parameters takes later, several at once. */
#ifndef SKLEARN_METABP_LATE_STEPS_H
#define SKLEARN_METABP_LATE_STEPS_H

enum { LATE_STEPS = 256 }; /* whose numbers are kept, at most */

typedef struct {
    double decay;   /* of the gradient of a weight w, the penalty has decay w */
    double squares; /* sum of the squares of the weights before this step, as far as it is known */
    int is_finite;  /* whether the updates are, as far as they are known */
} LateStep;

#endif
