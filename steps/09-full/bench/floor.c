/* floor.c: the kernel calls of a container and nothing else, to compare with. No network link, no cgroup, no filter:
 * floor-full.c has those as well.
 * cc -O2 -static -o floor floor.c; floor ROOTFS PROGRAM [ARG]... */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRY(call) do { if ((call) < 0) err(125, "%s", #call); } while (0)

static void put(const char *path, const char *text) {
    int file = open(path, O_WRONLY);
    if (file < 0 || write(file, text, strlen(text)) < 0) err(125, "%s", path);
    close(file);
}

static void device(const char *root, const char *name) {
    char from[64], to[512];
    snprintf(from, sizeof from, "/dev/%s", name);
    snprintf(to, sizeof to, "%s/dev/%s", root, name);
    close(open(to, O_CREAT | O_WRONLY, 0666));
    TRY(mount(from, to, 0, MS_BIND, 0));
}

static void child(char **argv, int gate) {
    const char *devices[] = {"null", "zero", "full", "random", "urandom", "tty"};
    char path[512], byte;
    if (read(gate, &byte, 1) != 1) _exit(125);
    TRY(prctl(PR_SET_PDEATHSIG, SIGKILL));
    TRY(sethostname("floor", 5));
    TRY(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0));
    TRY(mount(argv[1], argv[1], 0, MS_BIND | MS_REC, 0));
    snprintf(path, sizeof path, "%s/proc", argv[1]);
    TRY(mount("proc", path, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0));
    snprintf(path, sizeof path, "%s/sys", argv[1]);
    TRY(mount("sysfs", path, "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, 0));
    snprintf(path, sizeof path, "%s/dev", argv[1]);
    TRY(mount("tmpfs", path, "tmpfs", MS_NOSUID, "mode=755,size=64k"));
    for (unsigned i = 0; i < sizeof devices / sizeof *devices; i++) device(argv[1], devices[i]);
    snprintf(path, sizeof path, "%s/dev/pts", argv[1]);
    TRY(mkdir(path, 0755));
    TRY(mount("devpts", path, "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=666,mode=620"));
    snprintf(path, sizeof path, "%s/dev/shm", argv[1]);
    TRY(mkdir(path, 01777));
    TRY(mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=1777"));
    TRY(chdir(argv[1]));
    TRY(syscall(SYS_pivot_root, ".", "."));
    TRY(umount2(".", MNT_DETACH));
    TRY(chdir("/"));
    execv(argv[2], argv + 2);
    err(127, "%s", argv[2]);
}

int main(int argc, char **argv) {
    struct clone_args args = {
        .flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP,
        .exit_signal = SIGCHLD,
    };
    char path[64], map[64];
    int gate[2], status;
    if (argc < 3) errx(2, "usage: floor ROOTFS PROGRAM [ARG]...");
    TRY(pipe2(gate, O_CLOEXEC));
    pid_t pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid < 0) err(125, "clone3");
    if (pid == 0) child(argv, gate[0]);
    snprintf(path, sizeof path, "/proc/%d/setgroups", pid), put(path, "deny");
    snprintf(path, sizeof path, "/proc/%d/uid_map", pid), snprintf(map, sizeof map, "0 %d 1", getuid()), put(path, map);
    snprintf(path, sizeof path, "/proc/%d/gid_map", pid), snprintf(map, sizeof map, "0 %d 1", getgid()), put(path, map);
    if (write(gate[1], "!", 1) != 1) err(125, "gate");
    TRY(waitpid(pid, &status, 0));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
