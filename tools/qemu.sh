# SPDX-License-Identifier: Apache-2.0
# For kernels.sh and service.sh, which source it: kernels of Debian's, and booting them under qemu's software emulation. $work is a
# folder for what comes up on the way.
# shellcheck shell=bash disable=SC2154

# The package that Debian's linux-image-cloud-amd64 stands for.
default_kernel() {
    apt-cache depends linux-image-cloud-amd64 | awk '/Depends:/ {print $2}'
}

# The image file of a package, which is downloaded, or of a file.
image_of() {
    [ -f "$1" ] && { echo "$1"; return; }
    (cd "$work" && apt-get download -qq "$1" >&2 2>/dev/null && dpkg-deb -x "$1"_*.deb "$1")
    find "$work/$1" -name 'vmlinuz*'
}

# boot IMAGE INITRAMFS SECONDS MB [WORDS]: until it is powered off, or so long at most. What its console says goes into $work/log.
boot() {
    timeout "$3" qemu-system-x86_64 -machine q35 -cpu max -smp 2 -m "$4" -nographic -no-reboot -kernel "$1" -initrd "$2" \
        -append "console=ttyS0 quiet panic=-1 ${5:-}" </dev/null >"$work/log" 2>&1 || true
}
