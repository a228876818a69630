/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * What a file descriptor of a task stands for: a path, a pipe, a peer's address.
 */
#ifndef FIXINGAHOLE_OBJECT_H
#define FIXINGAHOLE_OBJECT_H

#include "maps.h"

#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define S_IFLNK 0120000
#define S_IFIFO 0010000
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10

/* Path components kept, and bytes of each. */
#define PATH_DEPTH 12
#define PATH_COMPONENT 48

/* Where a way up from a file has come to: kernel addresses as numbers, for what object_step() is to the verifier. */
struct object_way {
	u64 dentry, mnt;
	u32 at;   /* bytes of o->name that are taken */
	u32 pad;
};

/* One step up: the name of a component is taken, or a mount point passed. 1: there is no more. A function of its own for the verifier. */
__attribute__((noinline, weak)) int object_step(struct object_way *way, struct wait_object *o)
{
	struct dentry *dentry, *up;
	struct vfsmount *mnt;
	struct mount *mount;
	u32 at;
	long n;

	if (!way || !o)
		return 1;
	dentry = (void *)way->dentry;
	mnt = (void *)way->mnt;
	if (dentry == BPF_CORE_READ(mnt, mnt_root)) {
		mount = (void *)mnt - bpf_core_field_offset(struct mount, mnt);
		way->dentry = (u64)BPF_CORE_READ(mount, mnt_mountpoint);
		way->mnt = (u64)BPF_CORE_READ(mount, mnt_parent) + bpf_core_field_offset(struct mount, mnt);
		o->whole = way->mnt == (u64)mnt;
		return o->whole;
	}
	at = way->at;
	/* older verifiers must see the bound right before its use */
	barrier_var(at);
	if (at > FD_NAME_SIZE - PATH_COMPONENT)
		return 1;
	n = bpf_probe_read_kernel_str(&o->name[at], PATH_COMPONENT, BPF_CORE_READ(dentry, d_name.name));
	if (n <= 0 || n > PATH_COMPONENT)
		return 1;
	way->at = at + n;
	up = BPF_CORE_READ(dentry, d_parent);
	way->dentry = (u64)up;
	return up == dentry;
}

static __always_inline void object_path(struct file *file, struct wait_object *o)
{
	struct object_way way = {
		.dentry = (u64)BPF_CORE_READ(file, f_path.dentry),
		.mnt = (u64)BPF_CORE_READ(file, f_path.mnt),
	};

	for (int i = 0; i < PATH_DEPTH; i++) {
		if (object_step(&way, o))
			return;
	}
}

static __always_inline void object_socket(struct file *file, struct wait_object *o)
{
	struct socket *socket = BPF_CORE_READ(file, private_data);
	struct sock *sk = BPF_CORE_READ(socket, sk);
	u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	struct unix_address *address;
	struct unix_sock *unix_end;
	__be32 v4;

	o->kind = FD_SOCKET_OTHER;
	if (family == AF_INET || family == AF_INET6) {
		o->kind = family == AF_INET ? FD_SOCKET_INET : FD_SOCKET_INET6;
		o->peer_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
		o->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
		if (family == AF_INET) {
			v4 = BPF_CORE_READ(sk, __sk_common.skc_daddr);
			__builtin_memcpy(o->peer, &v4, sizeof(v4));
		} else {
			BPF_CORE_READ_INTO(&o->peer, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr8);
		}
	} else if (family == AF_UNIX) {
		o->kind = FD_SOCKET_UNIX;
		unix_end = (struct unix_sock *)sk;
		address = BPF_CORE_READ(unix_end, addr);
		if (!address) {
			/* the end that connected has no name of its own */
			unix_end = (struct unix_sock *)BPF_CORE_READ(unix_end, peer);
			address = BPF_CORE_READ(unix_end, addr);
		}
		if (address) {
			bpf_probe_read_kernel_str(o->name, 108, (void *)address + bpf_core_field_offset(struct unix_address, name) + 2);
			if (!o->name[0]) {
				o->name[0] = '@';
				bpf_probe_read_kernel_str(o->name + 1, 107, (void *)address + bpf_core_field_offset(struct unix_address, name) + 3);
			}
		}
	}
}

/* `address`: of the task's files_struct. A function of its own for the verifier, hence a number; weak, since more than one program has it. */
__attribute__((noinline, weak)) int object_fill(u64 address, s32 fd, struct wait_object *o)
{
	struct files_struct *files = (void *)address;
	struct fdtable *table;
	struct inode *inode;
	struct file *file;
	struct file **slot;
	umode_t mode;

	if (!o)
		return 0;
	o->kind = FD_NONE;
	o->fd = fd;
	if (fd < 0)
		return 0;
	table = BPF_CORE_READ(files, fdt);
	if (!table || (u32)fd >= BPF_CORE_READ(table, max_fds))
		return 0;
	slot = BPF_CORE_READ(table, fd);
	if (bpf_probe_read_kernel(&file, sizeof(file), slot + fd) || !file)
		return 0;
	inode = BPF_CORE_READ(file, f_inode);
	mode = BPF_CORE_READ(inode, i_mode);
	o->inode = BPF_CORE_READ(inode, i_ino);
	if ((mode & S_IFMT) == S_IFSOCK) {
		object_socket(file, o);
	} else if ((mode & S_IFMT) == S_IFIFO) {
		o->kind = FD_PIPE;
	} else if ((mode & S_IFMT) == 0) {
		o->kind = FD_OTHER;
		bpf_probe_read_kernel_str(o->name, sizeof(o->name), BPF_CORE_READ(file, f_path.dentry, d_name.name));
	} else {
		o->kind = FD_FILE;
		object_path(file, o);
	}
	return 0;
}

#endif
