# cython: language_level=3
"""The controller of every tensor and what it sets; ``layer_rule_fallback`` has the fallback."""

import numpy as np

from libc.stdint cimport int64_t

from sklearn_metabp._kernels.rules._compiled_rule cimport CompiledRule, StepNumbers
from sklearn_metabp._kernels.scopes._small_mlp cimport BLOCK, SmallMLP, address, fill_mlp

from sklearn_metabp._kernels.arrays import readable
from sklearn_metabp._kernels.scopes.layer_rule_fallback import check_codes, check_layers
from sklearn_metabp._kernels.scopes.layer_steps import N_CHANGING, N_FIXED
from sklearn_metabp._kernels.scopes.small_mlp import SmallMLP as CheckedMLP

__all__ = ["LayerRule"]

cdef extern from "controller_loops.h" nogil:
    ctypedef struct LayerPass:
        int64_t n_tensors
        int64_t n_params
        const int64_t* bounds
        const int64_t* hidden_before
        const double* fixed
        const int64_t* codes
        const int64_t* controls
        int64_t n_outputs
        int64_t n_planned
        double learning_rate
        double weight_decay
        double horizon
        double start_dropout
        bint cautious
        bint needs_statistics
        const void* gradients
        const void* params
        void* updates
        void* moments
        void* squares
        void* average
        double* tensors
        double* losses
        const double* validation
        double* shares
        double* dropout
        SmallMLP mlp
    ctypedef struct LayerStep:
        int64_t t
        int64_t epoch
        int64_t n_patterns
        bint is_first
        double loss
    void step_layers_f64(const LayerPass*, LayerStep*)
    void step_layers_f32(const LayerPass*, LayerStep*)
    int change_layers_f64(const LayerPass*, LayerStep*, const void* gradients)
    int change_layers_f32(const LayerPass*, LayerStep*, const void* gradients)


cdef class LayerRule(CompiledRule):
    """The updates of one training by a controller of each tensor; see the fallback."""

    cdef LayerPass _pass
    cdef tuple _arrays  # keeps alive what the pass points to
    cdef bint _is_double
    cdef LayerStep _step
    cdef int64_t _n_steps, _index, _epoch  # before the run

    def __init__(self, gradients, params, updates, memory, task, start, codes, controls,
                 mlp_params, mlp_sizes, hidden, output, centre=None, dropout=None):
        check_layers(gradients, params, updates, memory, task, dropout)
        codes, controls = check_codes(codes, controls)
        mlp = CheckedMLP(
            len(codes), np.dtype(np.float64), mlp_params, mlp_sizes, hidden, output, centre,
            n_outputs=len(controls),
        )
        bounds, fixed = readable(task.bounds, np.int64), readable(task.fixed, np.float64)
        hidden_before = task.hidden_before
        workspace = np.zeros((3, mlp.widest * BLOCK))
        held = {
            name: memory[name]
            for name in (
                "moments", "squares", "average", "tensors", "losses", "validation", "dropout"
            )
        }
        self._arrays = (gradients, params, updates, held, bounds, fixed, hidden_before, codes, controls, mlp,
                        workspace, dropout)
        self.params, self.by_blocks = params, False
        self._is_double = params.dtype == np.float64
        self._pass.n_tensors, self._pass.n_params = len(bounds) - 1, len(params)
        self._pass.bounds, self._pass.fixed = <int64_t*>address(bounds), <double*>address(fixed)
        self._pass.hidden_before = <int64_t*>address(hidden_before)
        self._pass.codes, self._pass.controls = <int64_t*>address(codes), <int64_t*>address(controls)
        self._pass.n_outputs, self._pass.n_planned = len(controls), task.n_planned
        self._pass.learning_rate, self._pass.weight_decay = start.learning_rate, start.weight_decay
        self._pass.horizon, self._pass.cautious = start.horizon, start.cautious
        self._pass.start_dropout = start.dropout
        self._pass.needs_statistics = (codes >= N_CHANGING + N_FIXED).any()
        self._pass.gradients, self._pass.params = address(gradients), address(params)
        self._pass.updates, self._pass.average = address(updates), address(memory["average"])
        self._pass.moments = address(memory["moments"])
        self._pass.squares = address(memory["squares"])
        self._pass.tensors = <double*>address(memory["tensors"])
        self._pass.losses = <double*>address(memory["losses"])
        self._pass.validation = <double*>address(memory["validation"])
        self._pass.shares = <double*>address(memory["dropout"])
        self._pass.dropout = NULL if dropout is None else <double*>address(dropout)
        fill_mlp(&self._pass.mlp, mlp, workspace)

    def update(self, int64_t t, bint is_first, int64_t epoch, double loss, int64_t n_patterns):
        """Advance the memory by the step of number t of the rule, from 1; write the updates."""
        cdef LayerStep step
        if t < 1 or epoch < 0 or n_patterns < 1:
            raise ValueError("steps and patterns are counted from 1, and epochs from 0")
        step.t, step.epoch, step.n_patterns = t, epoch, n_patterns
        step.is_first, step.loss = is_first, loss
        with nogil:
            if self._is_double:
                step_layers_f64(&self._pass, &step)
            else:
                step_layers_f32(&self._pass, &step)

    def begin_run(self, int64_t n_steps, int64_t index, int64_t epoch):
        """Prepare for a run of steps without Python.

        ``n_steps`` steps of the rule and ``index`` of the training were before it, and the first
        one is in epoch number ``epoch``.
        """
        self._n_steps, self._index, self._epoch = n_steps, index, epoch

    cdef int begin(self, const StepNumbers* numbers) noexcept nogil:
        self._step.t = self._n_steps + numbers.index + 1
        self._step.is_first = self._index + numbers.index == 0
        self._step.epoch = self._epoch + numbers.epoch
        self._step.n_patterns, self._step.loss = numbers.n_patterns, numbers.loss
        return 1

    cdef int change(self, void* gradients, int64_t first, int64_t n) noexcept nogil:
        if self._is_double:
            return change_layers_f64(&self._pass, &self._step, gradients)
        return change_layers_f32(&self._pass, &self._step, gradients)
