/* Memory that will be needed. */
#ifndef SKLEARN_METABP_FETCH_H
#define SKLEARN_METABP_FETCH_H

#include "clones.h"

enum { CACHE_LINE = 64 };

/* Ask for n bytes. Inlined, because GCC removes calls of a function that does nothing else. */
LANE UNUSED void fetch(const void *at, int64_t n_bytes)
{
#if defined(__GNUC__)
    const char *line = (const char *)at, *const end = line + n_bytes;
    for (; line < end; line += CACHE_LINE) __builtin_prefetch(line, 1);
#else
    (void)at, (void)n_bytes;
#endif
}

#endif
