#!/bin/sh
# Runs once, chrooted into the fresh root.
set -eu

# rpm keeps its database where it does on a system that lives by rpm; Debian's macro points into the
# caller's home.
mkdir -p /etc/rpm
echo '%_dbpath /var/lib/rpm' >/etc/rpm/macros
HOME=/root rpm --initdb
chmod 755 /var/lib/rpm
rpm -qa >/dev/null

# Debian's rpm tells everyone who installs with it to use something else; an EL's does not.
for verb in -U -i -F -e --upgrade --install --freshen --erase --reinstall; do
    echo "rpm alias $verb $verb --force-debian"
done >/etc/popt

# The users: root, and one who may do nothing special.
useradd --create-home --uid 1000 --gid users --shell /bin/bash operator

# What EL's own packages have and Debian's root does not.
mkdir -p /etc/sysconfig

systemctl enable redis-server.service

# PostgreSQL is there and has no database: whoever wants one makes it. Its compiler of queries is
# larger than all the rest of it, and it does without.
systemctl disable postgresql.service
rm -rf /etc/postgresql/* /var/lib/postgresql/* /var/log/postgresql/*
rm -rf /usr/lib/postgresql/*/lib/llvmjit* /usr/lib/postgresql/*/lib/bitcode
rm -f /usr/lib/*/libLLVM-*.so* /usr/lib/*/libz3.so*

# Nothing here has a terminal, a name server or a mirror.
systemctl mask console-getty.service getty@.service getty-static.service serial-getty@.service \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    systemd-firstboot.service systemd-resolved.service systemd-timesyncd.service
systemctl set-default multi-user.target

# systemd runs every generator again at each reload, and an upgrade has some thirty reloads. These find
# nothing in a container: there is no disk, no kernel command line, no /etc/fstab with a line and no
# terminal. The generators that make units of a product (SysV scripts, PostgreSQL) stay.
mkdir -p /etc/systemd/system-generators
for generator in cryptsetup debug fstab getty gpt-auto hibernate-resume integritysetup rc-local run \
    system-update veritysetup; do
    ln -s /dev/null "/etc/systemd/system-generators/systemd-$generator-generator"
done
# It also reads some hundred units again, half of whose lines are comments.
find /lib/systemd/system -type f -exec sed -i '/^[#;]/d; /^$/d' {} +

# debootstrap copies the machine's name; a host has its own.
rm -f /etc/hostname
printf '127.0.0.1 localhost\n::1 localhost\n' >/etc/hosts

# Each host gets an identity of its own at its first boot.
: >/etc/machine-id
rm -f /var/lib/dbus/machine-id

rm -rf /etc/apt/sources.list /etc/apt/sources.list.d /etc/resolv.conf
rm -rf /var/cache/apt/archives /var/lib/apt/lists /var/cache/debconf/*-old
rm -rf /usr/share/doc /usr/share/man /usr/share/info /usr/share/locale /usr/share/i18n
rm -rf /var/log/apt /var/log/bootstrap.log /var/log/dpkg.log /debootstrap
