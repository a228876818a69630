/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * The few kernel types that bpf/ reads, kept by hand. Only the fields that are
 * used: CO-RE relocates each access to the running kernel's layout, so order and
 * neighbours do not matter. What differs between kernels is told apart with
 * bpf_core_field_exists() and a ___flavour.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __s32 s32;
typedef __u64 u64;
typedef __s64 s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u32 __wsum;
typedef __u16 __sum16;
typedef int pid_t;
typedef unsigned short umode_t;
typedef __u32 dev_t;
typedef __u32 uid_t;
typedef _Bool bool;
enum { false = 0, true = 1 };

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
};

enum { BPF_F_NO_PREALLOC = 1 };
enum { BPF_ANY = 0, BPF_NOEXIST = 1, BPF_EXIST = 2 };
enum { BPF_LOCAL_STORAGE_GET_F_CREATE = 1 };
enum { BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2 };
enum { BPF_RB_AVAIL_DATA = 0 };

/* The context of perf_event programs: user ABI, not relocated, read in words of 8 bytes. */
struct user_pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8;
	unsigned long ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};
struct bpf_perf_event_data {
	struct user_pt_regs regs;
	__u64 sample_period;
	__u64 addr;
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct { int counter; } atomic_t;
typedef struct { s64 counter; } atomic_long_t;

struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8;
	unsigned long ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};

struct thread_struct { unsigned long fsbase; };
struct sched_entity { u64 sum_exec_runtime; };

struct rlimit {
	unsigned long rlim_cur;
	unsigned long rlim_max;
};

struct list_head { struct list_head *next, *prev; };

struct signal_struct {
	atomic_t live;
	struct list_head thread_head;
	int group_exit_code;
	u64 utime, stime;
	unsigned long maxrss;
	struct mm_struct *oom_mm; /* not NULL: chosen to be killed for lack of memory */
	struct rlimit rlim[16];
};

struct percpu_counter { s64 count; };

struct mm_struct {
	struct percpu_counter rss_stat[4]; /* since 6.2 */
	unsigned long hiwater_rss;
	unsigned long start_code;
	unsigned long arg_start, arg_end;
	unsigned long total_vm; /* pages */
	unsigned long data_vm;
};

/* up to 6.1 */
struct mm_rss_stat___old { atomic_long_t count[4]; };
struct mm_struct___old { struct mm_rss_stat___old rss_stat; };

struct qstr { const unsigned char *name; };
struct super_block { dev_t s_dev; };
struct inode {
	umode_t i_mode;
	struct super_block *i_sb;
	unsigned long i_ino;
	long long i_size;
	long long i_mtime_sec; /* since 6.11 */
	__u32 i_mtime_nsec;
};
struct timespec64 {
	long long tv_sec;
	long tv_nsec;
};
struct inode___6_7 { struct timespec64 __i_mtime; };
struct inode___old { struct timespec64 i_mtime; }; /* up to 6.6 */
struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
};
struct vfsmount { struct dentry *mnt_root; };
struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};
/* what a vfsmount is embedded in: leads to where it is mounted */
struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};
struct file {
	void *private_data;
	struct inode *f_inode;
	struct path f_path;
};
struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};
struct files_struct { struct fdtable *fdt; };

struct in6_addr { union { __u8 u6_addr8[16]; } in6_u; };
struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	struct in6_addr skc_v6_daddr;
};
struct sock { struct sock_common __sk_common; };
struct socket { struct sock *sk; };
struct sockaddr_un {
	unsigned short sun_family;
	char sun_path[108];
};
struct unix_address {
	int len;
	struct sockaddr_un name[0];
};
struct unix_sock {
	struct unix_address *addr;
	struct sock *peer;
};

struct pid_namespace;
struct upid {
	int nr;
	struct pid_namespace *ns;
};
struct pid {
	unsigned int level;
	struct upid numbers[1]; /* one per level, from the initial namespace on */
};

typedef struct { uid_t val; } kuid_t;
struct cred { kuid_t euid; };
struct css_set;
struct task_struct {
	unsigned int __state; /* since 5.14 */
	unsigned int flags;
	unsigned int on_cpu; /* a byte in 7.2; unsigned, so that the load can be made to fit */
	void *stack;
	int exit_code;
	pid_t pid;
	pid_t tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	struct list_head thread_node; /* of its .signal's .thread_head, until it is reaped */
	u64 utime, stime;
	struct sched_entity se;
	struct mm_struct *mm;
	struct files_struct *files;
	struct signal_struct *signal;
	const struct cred *cred;
	char comm[16];
	struct css_set *cgroups; /* one for all that are in the same cgroup of each hierarchy */
	struct thread_struct thread;
};

struct seq_file;
struct bpf_iter_meta { struct seq_file *seq; };
struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct linux_binprm {
	struct file *file;
	const char *filename;
};

#pragma clang attribute pop

#endif
