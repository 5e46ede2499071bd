// turns RUNS COMMAND...: starts the commands in turns, with a pause in between, and prints for each the median, the
// least and the most of its milliseconds, and the median until all processes that it started are gone. What the kernel
// still clears away after one container, such as its network namespace, is over before the next one starts, and
// whatever else the machine does falls on all alike. The order is another one in each round: a command that always
// followed one of its own kind would find more of what it needs in the processor's caches.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAUSE_US = 30000, UNCOUNTED = 3, WORDS = 64 };

extern char **environ;

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// A shell takes half a millisecond, so it starts only what needs one.
static void split(char **words, char *text) {
    int n = 0;
    if (strpbrk(text, "'\"$;&|<>")) {
        words[n++] = "sh", words[n++] = "-c", words[n++] = text;
    } else {
        for (char *word = strtok(text, " "); word && n < WORDS - 1; word = strtok(NULL, " ")) words[n++] = word;
    }
    words[n] = NULL;
}

static void give_up(int signal) { (void)signal; }

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void shuffle(int *order, int n) {
    for (int i = n - 1; i > 0; i--) {
        int j = rand() % (i + 1), other = order[i];
        order[i] = order[j], order[j] = other;
    }
}

int main(int argc, char **argv) {
    int runs = argc > 2 ? atoi(argv[1]) : 0, commands = argc - 2;
    double *times = calloc(argc, sizeof(double) * (runs > 0 ? 2 * runs : 1)), *gone = times + commands * runs;
    posix_spawn_file_actions_t silent;
    if (runs < 1 || !times || posix_spawn_file_actions_init(&silent)) return 2;
    // What a command leaves behind becomes our child. What stays for longer than a second is not waited for.
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = give_up}, NULL);
    for (int fd = 0; fd < 3; fd++)
        posix_spawn_file_actions_addopen(&silent, fd, "/dev/null", O_RDWR, 0);
    int order[commands];
    for (int i = 0; i < commands; i++) order[i] = i;
    for (int run = -UNCOUNTED; run < runs; run++) {
        shuffle(order, commands);
        for (int turn = 0; turn < commands; turn++) {
            int i = order[turn];
            char *words[WORDS], text[strlen(argv[i + 2]) + 1];
            split(words, strcpy(text, argv[i + 2]));
            pid_t child;
            usleep(PAUSE_US);
            double start = now();
            if (posix_spawnp(&child, words[0], &silent, NULL, words, environ)) return 1;
            waitpid(child, NULL, 0);
            if (run >= 0) times[i * runs + run] = now() - start;
            alarm(1);
            while (wait(NULL) > 0) {}
            alarm(0);
            if (run >= 0) gone[i * runs + run] = now() - start;
        }
    }
    for (int i = 0; i < commands; i++) {
        double *mine = times + i * runs, *all = gone + i * runs;
        qsort(mine, runs, sizeof *mine, ascending), qsort(all, runs, sizeof *all, ascending);
        printf("%.3f %.3f %.3f %.3f\n", mine[runs / 2], mine[0], mine[runs - 1], all[runs / 2]);
    }
}
