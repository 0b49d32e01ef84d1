/* Threads that share the parts of a piece of work with the thread that has it.
 *
 * A pool belongs to one owner, who runs one piece of work at a time. The threads start with the
 * first one and last until the pool is closed. Between two pieces they look for the next one for
 * SPIN_TIME, then they sleep. In a forked process, which has none of them, new ones start. Signals
 * go to other threads. Without POSIX threads the caller computes all parts.
 */
#ifndef SKLEARN_METABP_THREAD_POOL_H
#define SKLEARN_METABP_THREAD_POOL_H

#include "clones.h"

/* Compute a part. `thread` is below the number of threads of the pool, 0 is the caller; no two
 * parts have the same one at the same time. */
typedef void (*PartOfWork)(void *context, int part, int thread);

typedef struct {
    int n_threads; /* the caller's included; set by the owner while there are no workers */
    struct Workers *workers; /* NULL until there is work for them */
} ThreadPool;

#if defined(_WIN32)

static void run_parts(ThreadPool *pool, PartOfWork function, void *context, int n_parts)
{
    (void)pool;
    for (int part = 0; part < n_parts; part++) function(context, part, 0);
}

static void close_pool(ThreadPool *pool)
{
    (void)pool;
}

#else

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { SPIN_TIME = 100000, /* nanoseconds: the work between two products of a step */
       END_OF_WORK = -1 };

typedef struct Worker {
    struct Workers *all;
    int number; /* from 1 */
    pthread_t thread;
} Worker;

/* What several threads write is atomic. `function`, `context` and `n_parts` are written while no
 * part is undone, and read by a thread between taking a part and having done it. */
typedef struct Workers {
    pid_t process;
    int n_workers;
    PartOfWork function;
    void *context;
    int n_parts;
    int n_left; /* atomic: parts that nobody has taken, or END_OF_WORK */
    int n_undone; /* atomic: parts that nobody has done */
    int n_asleep; /* atomic: workers that wait for `begins`; changed under the lock */
    int caller_sleeps; /* atomic: whether the caller waits for `ends`; changed under the lock */
    pthread_mutex_t lock;
    pthread_cond_t begins, ends;
    Worker workers[];
} Workers;

#define ATOMIC_LOAD(at) __atomic_load_n(at, __ATOMIC_SEQ_CST)
#define ATOMIC_STORE(at, value) __atomic_store_n(at, value, __ATOMIC_SEQ_CST)
#define ATOMIC_ADD(at, value) __atomic_add_fetch(at, value, __ATOMIC_SEQ_CST)

#if defined(__x86_64__) || defined(__i386__)
#define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define PAUSE() __asm__ volatile("yield")
#else
#define PAUSE() ((void)0)
#endif

static int64_t nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Return whether a number becomes zero, or something else, within SPIN_TIME. */
static int changes_soon(const int *number, int to_zero)
{
    const int64_t end = nanoseconds() + SPIN_TIME;
    do {
        for (int k = 0; k < 32; k++) {
            if ((ATOMIC_LOAD(number) == 0) == to_zero) return 1;
            PAUSE();
        }
    } while (nanoseconds() < end);
    return 0;
}

/* Take parts and compute them until all are taken. */
static void work_on_parts(Workers *w, int thread)
{
    int n_left = ATOMIC_LOAD(&w->n_left);
    while (n_left > 0) {
        if (!__atomic_compare_exchange_n(&w->n_left, &n_left, n_left - 1, 0, __ATOMIC_SEQ_CST,
                                         __ATOMIC_SEQ_CST))
            continue;
        w->function(w->context, w->n_parts - n_left, thread);
        if (ATOMIC_ADD(&w->n_undone, -1) == 0 && ATOMIC_LOAD(&w->caller_sleeps)) {
            pthread_mutex_lock(&w->lock);
            pthread_cond_signal(&w->ends);
            pthread_mutex_unlock(&w->lock);
        }
        n_left = ATOMIC_LOAD(&w->n_left);
    }
}

static void *worker_main(void *argument)
{
    const Worker *worker = argument;
    Workers *w = worker->all;
    while (ATOMIC_LOAD(&w->n_left) != END_OF_WORK) {
        work_on_parts(w, worker->number);
        if (changes_soon(&w->n_left, 0)) continue;
        /* The count goes up before the look at n_left, and the caller writes n_left before it looks
         * at the count. So one of the two sees what the other has written. */
        pthread_mutex_lock(&w->lock);
        ATOMIC_ADD(&w->n_asleep, 1);
        while (ATOMIC_LOAD(&w->n_left) == 0) pthread_cond_wait(&w->begins, &w->lock);
        ATOMIC_ADD(&w->n_asleep, -1);
        pthread_mutex_unlock(&w->lock);
    }
    return NULL;
}

/* Write n_left, and wake those who wait for that. */
static void announce(Workers *w, int n_left)
{
    ATOMIC_STORE(&w->n_left, n_left);
    if (ATOMIC_LOAD(&w->n_asleep) > 0) {
        pthread_mutex_lock(&w->lock);
        pthread_cond_broadcast(&w->begins);
        pthread_mutex_unlock(&w->lock);
    }
}

/* Start workers, up to the number of the pool; return how many there are. */
static int start_workers(ThreadPool *pool)
{
    const int wanted = pool->n_threads - 1;
    Workers *w = calloc(1, sizeof(Workers) + (size_t)wanted * sizeof(Worker));
    sigset_t all, before;
    if (w == NULL) return 0;
    w->process = getpid();
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->begins, NULL);
    pthread_cond_init(&w->ends, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (; w->n_workers < wanted; w->n_workers++) {
        Worker *worker = &w->workers[w->n_workers];
        worker->all = w;
        worker->number = w->n_workers + 1;
        if (pthread_create(&worker->thread, NULL, worker_main, worker)) break;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pool->workers = w;
    return w->n_workers;
}

/* End the workers. In a forked process there are none, and their locks may be held for ever. */
static void close_pool(ThreadPool *pool)
{
    Workers *w = pool->workers;
    pool->workers = NULL;
    if (w == NULL) return;
    if (w->process == getpid()) {
        announce(w, END_OF_WORK);
        for (int k = 0; k < w->n_workers; k++) pthread_join(w->workers[k].thread, NULL);
        pthread_mutex_destroy(&w->lock);
        pthread_cond_destroy(&w->begins);
        pthread_cond_destroy(&w->ends);
    }
    free(w);
}

/* Compute all parts of a piece of work, in any order, and return when all are done. */
static void run_parts(ThreadPool *pool, PartOfWork function, void *context, int n_parts)
{
    Workers *w = pool->workers;
    if (w != NULL && w->process != getpid()) {
        close_pool(pool);
        w = NULL;
    }
    if (w == NULL && pool->n_threads > 1 && n_parts > 1) start_workers(pool);
    w = pool->workers;
    if (w == NULL || w->n_workers == 0 || n_parts == 1) {
        for (int part = 0; part < n_parts; part++) function(context, part, 0);
        return;
    }
    w->function = function;
    w->context = context;
    w->n_parts = n_parts;
    ATOMIC_STORE(&w->n_undone, n_parts);
    announce(w, n_parts);
    work_on_parts(w, 0);
    if (changes_soon(&w->n_undone, 1)) return;
    pthread_mutex_lock(&w->lock);
    ATOMIC_STORE(&w->caller_sleeps, 1);
    while (ATOMIC_LOAD(&w->n_undone) > 0) pthread_cond_wait(&w->ends, &w->lock);
    ATOMIC_STORE(&w->caller_sleeps, 0);
    pthread_mutex_unlock(&w->lock);
}

#endif
#endif
