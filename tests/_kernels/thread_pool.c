/* Many small pieces of work for several pools: every part is done once, by the time they return. */
#include <stdio.h>
#include <sys/wait.h>

#include "common/thread_pool.h"

enum { N_POOLS = 3, N_RUNS = 3000, MAX_PARTS = 9, MAX_THREADS = 4 };

typedef struct {
    int done[MAX_PARTS]; /* each is written by the thread that does the part, and read after all */
    int by[MAX_THREADS]; /* parts that each thread is at: never two */
    int two_at_once, strange;
} Work;

static void part_of_work(void *context, int part, int thread)
{
    Work *work = context;
    if (part < 0 || part >= MAX_PARTS || thread < 0 || thread >= MAX_THREADS) {
        work->strange = 1;
        return;
    }
    if (work->by[thread]++) work->two_at_once = 1;
    work->done[part]++;
    for (volatile int k = 0; k < (part % 3) * 50; k++) continue;
    work->by[thread]--;
}

static void *use_a_pool(void *argument)
{
    ThreadPool *pool = argument;
    Work work = {0};
    for (int run = 0; run < N_RUNS; run++) {
        const int n_parts = run % MAX_PARTS + 1;
        memset(&work, 0, sizeof work);
        if (run % 500 == 499) usleep(1000); /* long enough to fall asleep */
        run_parts(pool, part_of_work, &work, n_parts);
        for (int part = 0; part < MAX_PARTS; part++)
            if (work.done[part] != (part < n_parts)) {
                printf("run %d: part %d of %d was done %d times\n", run, part, n_parts,
                       work.done[part]);
                return NULL;
            }
        if (work.strange || work.two_at_once) {
            printf("run %d: strange %d, two at once %d\n", run, work.strange, work.two_at_once);
            return NULL;
        }
    }
    return NULL;
}

int main(void)
{
    ThreadPool pools[N_POOLS] = {{2, NULL}, {4, NULL}, {1, NULL}};
    pthread_t users[N_POOLS];
    for (int k = 0; k < N_POOLS; k++)
        pthread_create(&users[k], NULL, use_a_pool, &pools[k]);
    for (int k = 0; k < N_POOLS; k++) pthread_join(users[k], NULL);
    if (pools[2].workers != NULL) puts("a pool of one thread has workers");
    if (pools[1].workers == NULL || pools[1].workers->n_workers != 3) puts("not three workers");
    fflush(stdout);

#if !defined(__SANITIZE_THREAD__) /* which allows no threads in a forked process */
    pid_t child = fork(); /* it has no workers */
    if (child == 0) {
        alarm(60);
        use_a_pool(&pools[0]);
        close_pool(&pools[0]);
        close_pool(&pools[1]); /* not used since */
        fflush(stdout);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    if (status != 0) printf("the child ended with %d\n", status);
#endif
    use_a_pool(&pools[0]);
    for (int k = 0; k < N_POOLS; k++) close_pool(&pools[k]);
    use_a_pool(&pools[0]); /* it opens again */
    close_pool(&pools[0]);
    return 0;
}
