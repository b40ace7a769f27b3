#!/bin/bash
# build.sh OUT - build nubo-mini, nubo's own cloud guest, as OUT/nubo-mini.qcow2.
#
# Everything in it comes from Debian packages (tools/packages/guest.txt) and
# from the files beside this script:
#   initramfs-init   finds the root file system and switches to it
#   root/            is laid over the root file system: init, DHCP, metadata, sudo
# No root, mount or loop device is needed. The disk is GPT: p1 is a FAT
# partition that BIOS (syslinux) and UEFI (unified kernel image) boot from,
# p2 is ext4 labelled cloudimg-rootfs, grown to the disk's size on boot.
#
# A build is kept under .cache/guest by the hash of these files and the
# kernel package's version, so that it is made once.
set -euo pipefail
[ $# = 1 ] || { echo "usage: build.sh OUT" >&2; exit 2; }
mkdir -p "$1"
OUT=$(cd "$1" && pwd)
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=${HERE%/tools/guest}/.cache
PATH=$PATH:/usr/sbin:/sbin

say() { echo "nubo-mini: $*" >&2; }

missing=()
for tool in busybox:busybox-static dropbear:dropbear-bin mke2fs:e2fsprogs sfdisk:fdisk cpio:cpio depmod:kmod lz4:lz4 \
  qemu-img:qemu-utils mcopy:mtools mkfs.fat:dosfstools syslinux:syslinux objcopy:binutils openssl:openssl apt-get:apt; do
  command -v "${tool%%:*}" >/dev/null || missing+=("${tool##*:}")
done
[ -e /usr/lib/syslinux/mbr/gptmbr.bin ] || missing+=(syslinux-common)
[ -e /usr/lib/systemd/boot/efi/linuxx64.efi.stub ] || missing+=(systemd-boot-efi)
[ ${#missing[@]} = 0 ] || { say "install these packages first: ${missing[*]}"; exit 1; }

# --- what to build, and whether it is there already --------------------------------------------
kernel=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends:/{print $2; exit}')
[ -n "$kernel" ] || { say "apt knows no linux-image-cloud-amd64: run apt-get update, or use Debian"; exit 1; }
version=$(apt-cache show --no-all-versions "$kernel" | awk '/^Version:/{print $2; exit}')
key=$( (cd "$HERE" && find . -type f -print0 | sort -z | xargs -0 sha256sum; echo "$kernel $version") | sha256sum | cut -c1-16)
kept=$CACHE/guest/$key/nubo-mini.qcow2
if [ ! -e "$kept" ]; then
  mkdir -p "$CACHE/guest"
  echo '*' > "$CACHE/.gitignore"
  W=$(mktemp -d "$CACHE/guest/build.XXXXXX")
  trap 'rm -rf "$W"' EXIT
  started=$SECONDS

  # --- kernel ----------------------------------------------------------------------------------
  mkdir "$W/deb" "$W/kernel"
  say "downloading $kernel $version"
  (cd "$W/deb" && apt-get -qq download "$kernel=$version" 2>/dev/null)
  dpkg-deb -x "$W"/deb/*.deb "$W/kernel"
  KV=$(basename "$W"/kernel/lib/modules/*)
  VMLINUZ=$W/kernel/boot/vmlinuz-$KV
  [ -e "$W/kernel/lib/modules/$KV/modules.dep" ] || depmod -b "$W/kernel" "$KV"

  # add_modules ROOT MODULE...: copies kernel modules and what they need
  add_modules() {
    local root=$1 module; shift
    for module in "$@"; do
      modprobe -d "$W/kernel" -S "$KV" --show-depends "$module" 2>/dev/null | awk '/^insmod/{print $2}'
    done | sort -u | while read -r file; do install -D -m644 "$file" "$root/${file#"$W/kernel/"}"; done
    cp "$W/kernel/lib/modules/$KV"/modules.{builtin,builtin.modinfo,order} "$root/lib/modules/$KV/"
    depmod -b "$root" "$KV"
  }
  # add_programs ROOT PROGRAM...: copies programs and their shared libraries
  add_programs() {
    local root=$1 program; shift
    for program in "$@"; do
      install -D -m755 "$program" "$root$program"
      ldd "$program" | grep -oE '/[^ ]+' | while read -r lib; do
        [ -e "$root$lib" ] || install -D -m755 "$(readlink -f "$lib")" "$root$lib"
      done
    done
  }

  # --- initramfs: busybox and the two modules a virtio disk needs ---------------------------------
  I=$W/initramfs
  mkdir -p "$I"/{bin,proc,sys,dev,mnt}
  cp "$(command -v busybox)" "$I/bin/busybox"
  add_modules "$I" virtio_pci virtio_blk
  install -m755 "$HERE/initramfs-init" "$I/init"
  (cd "$I" && find . | cpio -o -H newc --quiet -R 0:0 | lz4 -l -9 -c -q) > "$W/initrd.img"

  # --- root file system ------------------------------------------------------------------------------
  R=$W/root
  mkdir -p "$R"/{bin,sbin,usr/bin,usr/sbin,etc/dropbear,proc,sys,dev,run,tmp,root,mnt,var/log,var/lib/cloud,home/cirros}
  cp "$(command -v busybox)" "$R/bin/busybox"
  for applet in $("$R/bin/busybox" --list); do [ "$applet" = busybox ] || ln -s busybox "$R/bin/$applet"; done
  for applet in init getty reboot poweroff; do ln -s ../bin/busybox "$R/sbin/$applet"; done
  add_programs "$R" /usr/sbin/{dropbear,resize2fs,mke2fs,blkid,sfdisk,fdisk} /usr/bin/{dbclient,dropbearkey,lsblk,partx}
  rm -f "$R"/bin/{fdisk,mke2fs,lsblk,blkid}   # the real ones, not busybox's
  ln -s mke2fs "$R/usr/sbin/mkfs.ext4"
  add_modules "$R" virtio_pci virtio_blk virtio_net virtio_rng virtio_balloon virtio_console button evdev \
    isofs vfat nls_cp437 nls_ascii nls_utf8 xfs
  cp -r "$HERE/root/." "$R/"
  chmod 755 "$R"/etc/init.d/* "$R/etc/udhcpc/default.script" "$R/etc/acpi/PWRF/00000080" "$R/usr/bin/sudo"
  printf 'root:*:19000::::::\ncirros:%s:19000::::::\n' "$(openssl passwd -6 gocubsgo)" > "$R/etc/shadow"
  chmod 600 "$R/etc/shadow"

  root_mib=$(( $(du -sm "$R" | cut -f1) + 12 ))
  truncate -s "${root_mib}M" "$W/p2.img"
  mke2fs -q -t ext4 -L cloudimg-rootfs -m 0 -O ^has_journal,^metadata_csum,resize_inode \
    -E root_owner=0:0,resize=33554432 -d "$R" "$W/p2.img"
  # mke2fs kept the builder's uid: give every file to root, the home to its user.
  (cd "$R" && find . -mindepth 1 -printf 'set_inode_field "/%P" uid 0\nset_inode_field "/%P" gid 0\n'
    printf 'set_inode_field /home/cirros uid 1000\nset_inode_field /home/cirros gid 1000\n') |
    debugfs -w -f /dev/stdin "$W/p2.img" >/dev/null 2>&1

  # --- boot partition: syslinux for BIOS, a unified kernel image for UEFI ----------------------------
  cmdline="root=LABEL=cloudimg-rootfs console=tty0 console=ttyS0 quiet panic=5 no_timer_check"
  printf '%s' "$cmdline" > "$W/cmdline"
  printf 'NAME=nubo-mini\nID=nubo-mini\n' > "$W/os-release"
  objcopy --add-section .osrel="$W/os-release" --change-section-vma .osrel=0x20000 \
    --add-section .cmdline="$W/cmdline" --change-section-vma .cmdline=0x30000 \
    --add-section .linux="$VMLINUZ" --change-section-vma .linux=0x2000000 \
    --add-section .initrd="$W/initrd.img" --change-section-vma .initrd=0x3000000 \
    /usr/lib/systemd/boot/efi/linuxx64.efi.stub "$W/uki.efi" 2>/dev/null
  boot_mib=$(( ( $(stat -c %s "$VMLINUZ") + $(stat -c %s "$W/initrd.img") + $(stat -c %s "$W/uki.efi") ) / 1048576 + 4 ))
  truncate -s "${boot_mib}M" "$W/p1.img"
  mkfs.fat -n ESP "$W/p1.img" >/dev/null
  printf 'DEFAULT linux\nPROMPT 0\nTIMEOUT 0\nLABEL linux\n KERNEL vmlinuz\n INITRD initrd.img\n APPEND %s\n' "$cmdline" > "$W/syslinux.cfg"
  mmd -i "$W/p1.img" ::EFI ::EFI/BOOT
  mcopy -i "$W/p1.img" "$W/uki.efi" ::EFI/BOOT/BOOTX64.EFI
  mcopy -i "$W/p1.img" "$VMLINUZ" ::vmlinuz
  mcopy -i "$W/p1.img" "$W/initrd.img" "$W/syslinux.cfg" ::
  syslinux --install "$W/p1.img"

  # --- the disk -----------------------------------------------------------------------------------
  truncate -s $((1 + boot_mib + root_mib + 1))M "$W/disk.raw"
  sfdisk -q "$W/disk.raw" <<TABLE
label: gpt
start=2048, size=$((boot_mib * 2048)), type=uefi, name=esp, attrs="LegacyBIOSBootable"
start=$((2048 + boot_mib * 2048)), size=$((root_mib * 2048)), type=linux, name=root
TABLE
  dd if=/usr/lib/syslinux/mbr/gptmbr.bin of="$W/disk.raw" bs=440 count=1 conv=notrunc status=none
  dd if="$W/p1.img" of="$W/disk.raw" bs=1M seek=1 conv=notrunc status=none
  dd if="$W/p2.img" of="$W/disk.raw" bs=1M seek=$((1 + boot_mib)) conv=notrunc,sparse status=none
  mkdir -p "$CACHE/guest/$key"
  qemu-img convert -c -O qcow2 "$W/disk.raw" "$W/nubo-mini.qcow2"
  mv "$W/nubo-mini.qcow2" "$kept"
  say "built with $kernel $version in $((SECONDS - started)) s"
fi
cp "$kept" "$OUT/nubo-mini.qcow2.part"
mv "$OUT/nubo-mini.qcow2.part" "$OUT/nubo-mini.qcow2"
say "$OUT/nubo-mini.qcow2, login cirros with a key or gocubsgo"
