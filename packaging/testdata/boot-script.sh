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
say 'tables after the boot'
nft list tables
say 'order'
systemctl show --property=ActiveEnterTimestampMonotonic --value nftables.service portolan.service network-pre.target | grep .
say 'state'
systemctl is-active portolan.service
say 'journal'
journalctl --sync
journalctl --no-pager --output=cat --unit=portolan.service
say 'tables after nftables was loaded anew'
nft add table inet somebody
systemctl reload nftables.service
settle
nft list tables
say 'tables after a stop'
systemctl stop portolan.service
nft list tables
say 'tables after a repair'
nft delete table inet portolan
systemctl start portolan-repair.service
nft list tables
say 'no drift'
systemctl start portolan-drift.service
systemctl is-failed portolan-drift.service
say 'drift'
nft delete table inet portolan
systemctl start portolan-drift.service 2>/dev/null
systemctl --failed --plain --no-legend
say 'journal of drift'
journalctl --sync
journalctl --no-pager --output=cat --unit=portolan-drift.service
say 'numbers'
systemctl start portolan-metrics.service
stat -c '%a %U %n' /run/portolan /run/portolan/portolan.prom
say 'timers'
systemctl start portolan-drift.timer portolan-repair.timer portolan-metrics.timer
systemctl list-timers --plain --no-legend 'portolan*' | sed 's/.* //' | sort
say 'folder'
stat -c '%a %U' /var/lib/portolan
say 'end'
