#!/bin/busybox sh
# The first process: finds the disk, says on the console what a power cut left on it, and hands over.
b=/bin/busybox

$b mount -t devtmpfs none /dev
$b mount -t proc none /proc
$b mount -t sysfs none /sys
# Each after what it needs.
for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk \
    virtio_console; do
    $b insmod "/lib/$module.ko" || echo "lab: cannot load $module"
done
tries=0
until [ -b /dev/vda ] || [ $tries = 100 ]; do
    $b sleep 0.05
    tries=$((tries + 1))
done
# A file system that cannot be mounted is a finding; the console shows the kernel's word on it.
$b mount -t ext4 /dev/vda /root || { echo "lab: no root"; $b poweroff -f; }

for journal in /root/var/lib/airgap-bundle/runs/*/journal; do
    [ -f "$journal" ] && $b tail -n 2 "$journal" | $b sed 's/^/lab: journal /' && echo
done
for link in /root/etc/systemd/system/multi-user.target.wants/airgap-bundle*; do
    [ -L "$link" ] && echo "lab: armed ${link##*/}"
done
echo "lab: root mounted"

$b umount /proc
$b umount /sys
$b mount --move /dev /root/dev
exec $b switch_root /root /sbin/init
