# cython: language_level=3
"""The base of the update rules that take steps without Python."""

cdef class CompiledRule:
    """A rule bound to the parameters and the state of one training.

    A rule that works ``by_blocks`` gets the gradients of a part of the parameters as soon as they
    are computed, while they are in the first cache. Any other rule gets all of them at once.
    """

    cdef int begin(self, const StepNumbers* numbers) noexcept nogil:
        """Take the numbers of the next step."""
        return 1

    cdef int change(self, void* gradients, int64_t first, int64_t n) noexcept nogil:
        """Change n parameters from ``first`` on; ``gradients`` begins with that of the first.

        Returns 0 if an update was not finite.
        """
        return 0

    cdef int make_late(self) except -1:
        """Make room for the numbers of ``LATE_STEPS`` steps."""
        return 0

    cdef void keep(self, int64_t slot) noexcept nogil:
        """Keep the numbers of this step for parts that take it later."""

    cdef void change_late(self, LateStep* steps, int64_t begin, int64_t end, bint is_penalised,
                          const void* gradients, int64_t first, int64_t n) noexcept nogil:
        """Take the steps of some slots with n parameters from ``first`` on.

        ``gradients``, without the penalty's, are those of the first step. NULL stands for zeros,
        which the steps after it have.
        """

    cdef void fetch(self, int64_t first, int64_t n) noexcept nogil:
        """Ask the memory for what ``change_late`` will read."""
