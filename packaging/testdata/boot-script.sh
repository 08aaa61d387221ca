# What is asked of the booted system: a line "== what" before each answer.
say() { echo "== $1"; }
# What is asked of one unit can go on in another.
settle() {
	tries=0
	while [ -n "$(systemctl list-jobs --no-legend)" ] && [ $tries -lt 200 ]; do
		sleep 0.05
		tries=$((tries + 1))
	done
}
# What Portolan itself has said since the last time.
journal() {
	journalctl --sync
	# Of a status what is in force; the rest is no matter of packaging.
	journalctl --no-pager --output=cat --identifier=portolan --cursor-file=/run/cursor |
		sed -n 's/^in force: \(no table\|state [0-9]*\|a change that waits\).*/in force: \1/; s/for [0-9hms]* more/for TIME more/
			/^\(restored\|state\|confirmed\|a change\|warning:\|portolan:\) /p; /^in force: /p'
}
# The only thing that the two policies differ in, as far as it is in force.
more() { nft list map inet portolan tcp_services 2>&1 | grep -o '700[0-9]' || echo none; }

say 'tables after the boot'
nft list tables
more
journal
say 'order'
systemctl show --property=ActiveEnterTimestampMonotonic --value nftables.service portolan.service network-pre.target | grep .
say 'state'
systemctl is-active portolan.service
say 'sandbox'
systemctl start probe-portolan.service
journalctl --sync
journalctl --no-pager --output=cat --identifier=probe
say 'sandbox of those who only read'
systemctl start probe-portolan-drift.service
journalctl --sync
journalctl --no-pager --output=cat --identifier=probe --unit=probe-portolan-drift.service
say 'tables after nftables was loaded anew'
nft add table inet somebody
systemctl reload nftables.service
settle
nft list tables
journal
say 'tables after a stop'
systemctl stop portolan.service
nft list tables
say 'no drift'
systemctl start portolan-drift.service
systemctl is-failed portolan-drift.service
journal
say 'repair of what is as it was'
systemctl start portolan-repair.service
journal
say 'a change that waits'
printf 'allow "ssh" { ports = ["22/tcp"] }\n' >/etc/portolan/fewer.hcl
portolan apply --yes --confirm-within 1h --root /etc/portolan/host --policy /etc/portolan/fewer.hcl >/dev/null 2>&1
systemctl start portolan-drift.service portolan-repair.service portolan-metrics.service
systemctl is-failed portolan-drift.service
journal | sort
grep '^portolan_pending ' /run/portolan/portolan.prom
say 'repair when its time is over'
nft flush set inet portolan pending
systemctl start portolan-repair.service
journal
ls /var/lib/portolan
say 'drift'
nft delete table inet portolan
systemctl start portolan-drift.service 2>/dev/null
systemctl --failed --plain --no-legend | sed 's/ .*//'
journal
say 'numbers'
systemctl start portolan-metrics.service
stat -c '%a %U %n' /run/portolan /run/portolan/portolan.prom
grep -E '^portolan_(table|drift|pending|state_number) ' /run/portolan/portolan.prom
say 'tables after a repair'
systemctl start portolan-repair.service
nft list tables
more
journal
say 'who was killed while confirming'
portolan apply --yes --confirm-within 1h --root /etc/portolan/host --policy /etc/portolan/fewer.hcl >/dev/null 2>&1
portolan confirm >/dev/null 2>&1
mv /var/lib/portolan/3.state /var/lib/portolan/pending.state
systemctl start portolan-repair.service
stat -c '%a %U %n' /var/lib/portolan /var/lib/portolan/*
journal
say 'a damaged state'
truncate --size 100 /var/lib/portolan/3.state
nft delete table inet portolan
systemctl restart portolan.service 2>/dev/null
systemctl is-failed portolan.service
more
journal
say 'timers'
systemctl start portolan-drift.timer portolan-repair.timer portolan-metrics.timer
systemctl list-timers --plain --no-legend 'portolan*' | sed 's/.* //' | sort
say 'end'
