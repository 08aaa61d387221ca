#!/bin/sh
# Boots systemd in namespaces of its own, with the units and Portolan, and has it run a script:
# boot.sh UNITS PROGRAM PROBE SCRIPT OUT, as root. PROBE is started by copies of units and says
# what can be done inside. What the script writes to /mnt is in the folder OUT. The machine's own
# network, mounts and services are not touched; a control group is made below the one of the
# caller, and taken away again.
set -eu
units=$1 program=$2 probe=$3 script=$4 out=$5

if [ "${6:-}" = "" ]; then
	# The mounts first: what follows sees its control group as the root of all.
	exec unshare --mount --propagation private sh "$0" "$@" outside
fi

root=$out/root
if [ "$6" = outside ]; then
	mkdir -p "$root" "$out/cgroup"
	mount -t cgroup2 cgroup2 "$out/cgroup"
	home=$out/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
	group=$home/portolan-test-$$
	mkdir "$group"
	echo $$ >"$group/cgroup.procs"
	unshare --pid --fork --kill-child --mount --uts --ipc --net --cgroup sh "$0" "$units" "$program" "$probe" "$script" "$out" inside &
	child=$!
	tenths=0
	while [ ! -e "$out/done" ] && kill -0 "$child" 2>/dev/null && [ "$tenths" -lt 900 ]; do
		sleep 0.1
		tenths=$((tenths + 1))
	done
	kill -KILL "$child" 2>/dev/null || :
	{ wait "$child" || :; } 2>/dev/null # the shell would tell of the signal
	echo $$ >"$home/cgroup.procs"
	# The last process of a group may still be on its way out.
	tenths=0
	while ! find "$group" -depth -type d -exec rmdir {} + 2>/dev/null && [ -d "$group" ] && [ "$tenths" -lt 50 ]; do
		sleep 0.1
		tenths=$((tenths + 1))
	done
	umount "$out/cgroup"
	[ ! -d "$group" ] || echo "the control group $group is left" >&2
	exit 0
fi

# A tree with the programs of the machine, and nothing else of it.
mount -t tmpfs tmpfs "$root"
cd "$root"
mkdir -p usr proc sys run tmp dev mnt home/somebody root var/lib var/tmp etc/systemd/system etc/portolan/host/etc/ssh
mount --rbind /usr usr
mount -t tmpfs tmpfs usr/local
mkdir usr/local/bin
for dir in bin sbin lib lib32 lib64 libx32; do
	if [ -L "/$dir" ]; then
		cp -P "/$dir" "$dir"
	elif [ -d "/$dir" ]; then
		mkdir "$dir"
		mount --bind "/$dir" "$dir"
	fi
done
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mkdir dev/pts dev/shm
for device in null zero full random urandom tty; do
	: >"dev/$device"
	mount --bind "/dev/$device" "dev/$device"
done
mount --bind "$out" mnt

cp "$program" usr/local/bin/portolan
cp "$probe" usr/local/bin/probe
chmod 755 usr/local/bin/*
cp "$units"/* etc/systemd/system/
for unit in portolan portolan-drift; do
	sed '/^ExecReload=/d; s|^ExecStart=.*|ExecStart=/usr/local/bin/probe|' "$units/$unit.service" >"etc/systemd/system/probe-$unit.service"
done
cp "$script" etc/script
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >etc/passwd
printf 'root:x:0:\nnogroup:x:65534:\n' >etc/group
printf 'passwd: files\ngroup: files\n' >etc/nsswitch.conf
echo 0123456789abcdef0123456789abcdef >etc/machine-id
[ ! -e /etc/ld.so.cache ] || cp /etc/ld.so.cache etc/
printf 'flush ruleset\ntable inet filter { }\n' >etc/nftables.conf
# What is not for these services.
printf 'private\n' >home/somebody/letter

# What somebody has confirmed before this boot. No boot reads the policy, so it can be broken.
# The configuration is a host of its own, because /usr has units of what this machine runs.
printf 'Port 22\n' >etc/portolan/host/etc/ssh/sshd_config
for port in 7001 7002; do
	printf 'allow "ssh" { ports = ["22/tcp"] }\nallow "more" { ports = ["%s/tcp"] }\n' "$port" >etc/portolan/portolan.hcl
	chroot . /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		/usr/local/bin/portolan apply --root /etc/portolan/host --policy /etc/portolan/portolan.hcl --yes --no-confirm >"$out/before" 2>&1 || {
		cat "$out/before" >&2
		exit 1
	}
done
cp etc/portolan/portolan.hcl etc/portolan/whole.hcl
printf 'allow "ssh" {\n' >etc/portolan/portolan.hcl
nft flush ruleset

# The unit of Debian's nftables, on every system.
cat >etc/systemd/system/nftables.service <<'UNIT'
[Unit]
Wants=network-pre.target
Before=network-pre.target shutdown.target
Conflicts=shutdown.target
DefaultDependencies=no
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'sleep 0.3; nft -f /etc/nftables.conf'
ExecReload=/bin/sh -c 'sleep 0.3; nft -f /etc/nftables.conf'
ExecStop=nft flush ruleset
UNIT
cat >etc/systemd/system/script.service <<'UNIT'
[Unit]
After=multi-user.target network-pre.target
[Service]
Type=simple
StandardOutput=file:/mnt/script
StandardError=inherit
ExecStart=/bin/sh /etc/script
ExecStopPost=/bin/touch /mnt/done
UNIT
wants() {
	mkdir -p "etc/systemd/system/$1.wants"
	ln -s "../$2" "etc/systemd/system/$1.wants/$2"
}
wants sysinit.target portolan.service
wants sysinit.target nftables.service
wants multi-user.target script.service
# Of the machine's own units the skeleton of a boot alone, so that no other has a part in this.
from=/usr/lib/systemd/system
[ -e "$from/sysinit.target" ] || from=/lib/systemd/system
for unit in sysinit basic multi-user local-fs local-fs-pre network-pre network sockets timers paths slices shutdown umount final; do
	cp "$from/$unit.target" etc/systemd/system/
done
cp "$from/systemd-journald.service" "$from/systemd-journald.socket" "$from/systemd-journald-dev-log.socket" etc/systemd/system/
wants sysinit.target systemd-journald.service
wants sockets.target systemd-journald.socket
wants sockets.target systemd-journald-dev-log.socket
ln -s multi-user.target etc/systemd/system/default.target

manager=/usr/lib/systemd/systemd
[ -x "$manager" ] || manager=/lib/systemd/systemd
exec chroot . /usr/bin/env -i container=portolan SYSTEMD_UNIT_PATH=/etc/systemd/system PATH=/usr/sbin:/usr/bin:/sbin:/bin \
	"$manager" --system --log-target=journal
