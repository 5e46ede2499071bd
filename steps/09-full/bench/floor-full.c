/* floor-full.c: what the kernel is asked for by step 09, and nothing else: idmapped root, network cable, masks, capabilities,
 * filter, process 1. Straight, with fixed names: no registry, no check, no message. For root.
 * cc -O2 -static -o floor-full floor-full.c; floor-full ROOTFS PROGRAM [ARG]... */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_link.h>
#include <linux/mount.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRY(call) ((call) < 0 ? err(125, "%s", #call) : (void)0)
#define IDS "0 603979776 65536"

extern int mount(const char *, const char *, const char *, unsigned long, const void *);
extern int umount2(const char *, int);
enum { PRIVATE = 1 << 18, REC = 16384, BIND = 4096, RDONLY = 1, NOSUID = 2, NODEV = 4, NOEXEC = 8, DETACH = 2, REMOUNT = 32 };

static int put(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_CLOEXEC), done = file < 0 ? -1 : (int)write(file, text, strlen(text));
    close(file);
    return done;
}

/* One request on a routing socket: a fixed part, then attributes (netlink(7), rtnetlink(7)). */
struct request { struct nlmsghdr head; char rest[512]; };
static void *begin(struct request *it, int type, int flags, size_t fixed) {
    memset(it, 0, sizeof *it);
    it->head = (struct nlmsghdr){NLMSG_LENGTH(fixed), type, NLM_F_REQUEST | NLM_F_ACK | flags, 1, 0};
    return NLMSG_DATA(&it->head);
}
static struct rtattr *add(struct request *it, int type, const void *data, size_t length) {
    struct rtattr *attribute = (void *)((char *)it + NLMSG_ALIGN(it->head.nlmsg_len));
    attribute->rta_type = type, attribute->rta_len = RTA_LENGTH(length);
    if (data) memcpy(RTA_DATA(attribute), data, length);
    it->head.nlmsg_len = NLMSG_ALIGN(it->head.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
    return attribute;
}
static void end(struct request *it, struct rtattr *nest) {
    nest->rta_len = (char *)it + NLMSG_ALIGN(it->head.nlmsg_len) - (char *)nest;
}
static void ask(int socket, struct request *it) {
    char answer[1024];
    TRY(send(socket, it, it->head.nlmsg_len, 0));
    TRY(recv(socket, answer, sizeof answer, 0));
    struct nlmsgerr *error = NLMSG_DATA((struct nlmsghdr *)answer);
    if (error->error) errno = -error->error, err(125, "netlink %d", it->head.nlmsg_type);
}
static void up(int socket, int index) {
    struct request it;
    *(struct ifinfomsg *)begin(&it, RTM_NEWLINK, 0, sizeof(struct ifinfomsg)) =
        (struct ifinfomsg){.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    ask(socket, &it);
}
static void address(int socket, const char *name, const char *text) {
    struct request it;
    struct in_addr number;
    inet_aton(text, &number);
    *(struct ifaddrmsg *)begin(&it, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifaddrmsg)) =
        (struct ifaddrmsg){.ifa_family = AF_INET, .ifa_prefixlen = 30, .ifa_index = if_nametoindex(name)};
    add(&it, IFA_LOCAL, &number, sizeof number), add(&it, IFA_ADDRESS, &number, sizeof number);
    ask(socket, &it);
}
static void cable(int socket, const char *name, pid_t pid) {
    struct request it;
    *(struct ifinfomsg *)begin(&it, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifinfomsg)) =
        (struct ifinfomsg){.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    const uint32_t one = 1;
    add(&it, IFLA_IFNAME, name, strlen(name) + 1), add(&it, IFLA_NUM_TX_QUEUES, &one, 4), add(&it, IFLA_NUM_RX_QUEUES, &one, 4);
    struct rtattr *info = add(&it, IFLA_LINKINFO, 0, 0);
    add(&it, IFLA_INFO_KIND, "veth", 4);
    struct rtattr *data = add(&it, IFLA_INFO_DATA, 0, 0), *peer = add(&it, VETH_INFO_PEER, 0, sizeof(struct ifinfomsg));
    add(&it, IFLA_IFNAME, "eth0", 5), add(&it, IFLA_NET_NS_PID, &pid, sizeof pid);
    add(&it, IFLA_NUM_TX_QUEUES, &one, 4), add(&it, IFLA_NUM_RX_QUEUES, &one, 4);
    end(&it, peer), end(&it, data), end(&it, info);
    ask(socket, &it);
}
static void route(int socket, const char *text) {
    struct request it;
    struct in_addr number;
    inet_aton(text, &number);
    *(struct rtmsg *)begin(&it, RTM_NEWROUTE, NLM_F_CREATE, sizeof(struct rtmsg)) = (struct rtmsg){
        .rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT, .rtm_type = RTN_UNICAST};
    add(&it, RTA_GATEWAY, &number, sizeof number);
    ask(socket, &it);
}

static void bind_file(const char *from, const char *to, int flags) {
    TRY(mount(from, to, 0, BIND, 0));
    if (flags) TRY(mount(0, to, 0, BIND | REMOUNT | flags, 0));
}
static void filter(void) {
    enum { LENGTH = 236, DEPTH = 10 }; /* the tree of step 09, and the comparisons on a way through it */
    struct sock_filter code[LENGTH];
    for (int i = 0; i < LENGTH; i++) code[i] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
    for (int i = 0; i < DEPTH; i++) code[i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 10000 + i, DEPTH, 0);
    struct sock_fprog program = {LENGTH, code};
    TRY(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program));
}

static void child(char **argv, int tree, int gate, int plugged) {
    static const char *const devices[] = {"null", "zero", "full", "random", "urandom", "tty"};
    static const char *const hidden[] = {"proc/acpi", "proc/interrupts", "proc/kallsyms", "proc/kcore", "proc/keys",
        "proc/softirqs", "proc/timer_list", "proc/scsi", "sys/firmware", "sys/devices/virtual/powercap"};
    static const char *const read_only[] = {"proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"};
    char byte, from[64];
    struct stat found;
    if (read(gate, &byte, 1) != 1) _exit(125);
    TRY(setresgid(0, 0, 0)), TRY(setresuid(0, 0, 0));
    TRY(prctl(PR_SET_PDEATHSIG, SIGKILL));
    TRY(sethostname("floor", 5));
    TRY(syscall(SYS_move_mount, tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH));
    TRY(fchdir(tree));
    TRY(mount(0, "/", 0, REC | PRIVATE, 0));
    TRY(mount("proc", "proc", "proc", NOSUID | NODEV | NOEXEC, 0));
    TRY(mount("tmpfs", "dev", "tmpfs", NOSUID, "mode=755,size=64k"));
    for (unsigned i = 0; i < sizeof devices / sizeof *devices; i++) {
        char to[64];
        snprintf(from, sizeof from, "/dev/%s", devices[i]), snprintf(to, sizeof to, "dev/%s", devices[i]);
        close(open(to, O_CREAT | O_WRONLY, 0666)), bind_file(from, to, 0);
    }
    TRY(mkdir("dev/pts", 0755)), TRY(mkdir("dev/shm", 01777)), TRY(mkdir("dev/mqueue", 01777));
    TRY(mount("devpts", "dev/pts", "devpts", NOSUID | NOEXEC, "newinstance,ptmxmode=666,mode=620"));
    TRY(mount("tmpfs", "dev/shm", "tmpfs", NOSUID | NODEV | NOEXEC, "mode=1777,size=64m"));
    TRY(mount("mqueue", "dev/mqueue", "mqueue", NOSUID | NODEV | NOEXEC, 0));
    TRY(mount("sysfs", "sys", "sysfs", RDONLY | NOSUID | NODEV | NOEXEC, 0));
    TRY(mount("tmpfs", "dev/shm", "tmpfs", NOSUID | NODEV | NOEXEC, "size=64k")); /* hosts, hostname */
    TRY(put("proc/sys/user/max_user_namespaces", "0"));
    for (unsigned i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (stat(hidden[i], &found)) continue;
        else if (S_ISDIR(found.st_mode)) TRY(mount("tmpfs", hidden[i], "tmpfs", RDONLY, 0));
        else bind_file("/dev/null", hidden[i], 0);
    for (unsigned i = 0; i < sizeof read_only / sizeof *read_only; i++)
        if (!stat(read_only[i], &found)) bind_file(read_only[i], read_only[i], RDONLY | NOSUID | NODEV | NOEXEC);
    TRY(syscall(SYS_pivot_root, ".", "."));
    TRY(umount2(".", DETACH));
    TRY(chdir("/"));
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    up(netlink, if_nametoindex("lo"));
    if (read(plugged, &byte, 1) != 1) _exit(125);
    address(netlink, "eth0", "10.76.255.2"), up(netlink, if_nametoindex("eth0")), route(netlink, "10.76.255.1");
    for (int capability = 14; capability <= 40; capability++) prctl(PR_CAPBSET_DROP, capability);
    TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    filter();
    pid_t payload = vfork();
    if (payload == 0) execv(argv[2], argv + 2), _exit(127);
    int status;
    TRY(waitpid(payload, &status, 0));
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

int main(int argc, char **argv) {
    struct clone_args clone = {
        .flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET, .exit_signal = SIGCHLD};
    char path[64], name[IFNAMSIZ];
    int gate[2], plugged[2], status;
    if (argc < 3) errx(2, "usage: floor-full ROOTFS PROGRAM [ARG]...");
    int tree = syscall(SYS_open_tree, AT_FDCWD, argv[1], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    TRY(tree), TRY(pipe2(gate, O_CLOEXEC)), TRY(pipe2(plugged, O_CLOEXEC));
    pid_t pid = syscall(SYS_clone3, &clone, sizeof clone);
    TRY(pid);
    if (pid == 0) child(argv, tree, gate[0], plugged[0]);
    snprintf(path, sizeof path, "/proc/%d/uid_map", pid), TRY(put(path, IDS));
    snprintf(path, sizeof path, "/proc/%d/gid_map", pid), TRY(put(path, IDS));
    snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
    struct mount_attr idmap = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = open(path, O_RDONLY | O_CLOEXEC)};
    TRY(syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &idmap, sizeof idmap));
    TRY(write(gate[1], "!", 1));
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    snprintf(name, sizeof name, "floor%d", pid);
    cable(netlink, name, pid), address(netlink, name, "10.76.255.1");
    TRY(write(plugged[1], "!", 1));
    TRY(waitpid(pid, &status, 0));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
