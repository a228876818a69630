// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "doctor/check.h"
#include "util/cleanup.h"

#define BTF "/sys/kernel/btf/vmlinux"

static void check_release(struct checkup *c)
{
	struct facts *f = &c->facts;
	struct utsname name;
	bool wsl;

	uname(&name);
	if (sscanf(name.release, "%u.%u", &f->kernel[0], &f->kernel[1]) != 2)
		f->kernel[0] = f->kernel[1] = 0;
	wsl = strstr(name.release, "icrosoft") != NULL;
	if (facts_older(f, 6, 1))
		f->blocker = "run it on Linux 6.1 or later";
	if (wsl && facts_older(f, 5, 0))
		checkup_add(c, HEALTH_NO, "convert the distribution: wsl --set-version NAME 2", "Linux %.64s is WSL1, which has no Linux kernel", name.release);
	else if (wsl && facts_older(f, 6, 6))
		checkup_add(c, HEALTH_NO, "wsl --update gives WSL2 a kernel of 6.6 or later; wsl --shutdown makes it start", "Linux %.64s of WSL2 is too old", name.release);
	else if (facts_older(f, 6, 1))
		checkup_add(c, HEALTH_NO, "Linux 6.1 or later is needed; many distributions have a newer kernel package (Debian: backports)", "Linux %.64s is too old", name.release);
	else
		checkup_add(c, HEALTH_OK, NULL, "Linux %.64s%s", name.release, wsl ? ", WSL2" : "");
	if (strcmp(name.machine, "x86_64"))
		checkup_add(c, HEALTH_NO, "only x86-64 is supported", "the processor is %.32s", name.machine);
	else
		checkup_add(c, HEALTH_OK, NULL, "the processor is x86-64");
}

static void check_btf(struct checkup *c)
{
	_cleanup_close_ int fd = open(BTF, O_RDONLY | O_CLOEXEC);
	struct stat st;
	unsigned char magic[2];

	if (fd < 0 && !c->facts.blocker)
		c->facts.blocker = "see above: the kernel's type information is missing";
	if (fd < 0 && errno == ENOENT)
		checkup_add(c, HEALTH_NO, "use a kernel built with CONFIG_DEBUG_INFO_BTF (Debian's, Ubuntu's and Fedora's are; WSL2's from 6.6 on); in a container, mount /sys",
			    "the kernel's type information (BTF) is not there: " BTF);
	else if (fd < 0)
		checkup_add(c, HEALTH_NO, "make " BTF " readable: it must not be masked in the container", "the kernel's type information (BTF) cannot be read: %s", strerror(errno));
	else if (fstat(fd, &st) || read(fd, magic, 2) != 2 || magic[0] != 0x9f || magic[1] != 0xeb)
		checkup_add(c, HEALTH_NO, "something else is mounted there", BTF " is no type information (BTF)");
	else
		checkup_add(c, HEALTH_OK, NULL, "the kernel's type information (BTF) can be read, %.1f MB", st.st_size / 1048576.0);
}

static void check_lockdown(struct checkup *c)
{
	char line[128];

	/* in a container, and without the module, nothing is there */
	if (!check_read_line("/sys/kernel/security/lockdown", line, sizeof(line))) {
		checkup_add(c, HEALTH_OK, NULL, "no sign of kernel lockdown");
	} else if (strstr(line, "[none]")) {
		checkup_add(c, HEALTH_OK, NULL, "kernel lockdown is off");
	} else if (strstr(line, "[confidentiality]")) {
		c->facts.blocker = "see above: kernel lockdown";
		checkup_add(c, HEALTH_NO, "start with lockdown=integrity, or without lockdown= on the kernel's command line", "kernel lockdown (confidentiality) keeps BPF from reading kernel memory");
	} else {
		checkup_add(c, HEALTH_OK, NULL, "kernel lockdown (integrity) does not stand in the way");
	}
}

static void check_clock(struct checkup *c)
{
	static const char *const slow[] = { "acpi_pm", "hpet", "jiffies", "refined-jiffies", "hyperv_clocksource_msr", "pit" };
	char line[64];

	if (!check_read_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", line, sizeof(line)))
		return;
	for (size_t i = 0; i < sizeof(slow) / sizeof(*slow); i++) {
		if (strcmp(line, slow[i]))
			continue;
		checkup_add(c, HEALTH_LIMITED, "boot with clocksource=tsc (or tsc=reliable) if the processor's counter is sound: dmesg says why the kernel left it",
			    "the clock is '%.32s': reading the time takes about a microsecond, so sampling costs the program more than elsewhere", line);
		return;
	}
	checkup_add(c, HEALTH_OK, NULL, "the clock is '%.32s'", line);
}

void check_kernel(struct checkup *c)
{
	check_release(c);
	check_btf(c);
	check_lockdown(c);
	check_clock(c);
}
