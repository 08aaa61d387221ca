# The ephemeral ports that each system hands out when nobody has changed them.
#
#   title      the system in words
#   aliases    other names by which --platform finds it
#   os         the family of systems, as in the catalogue's paths
#   since      the first version for which it holds
#   until      the first version for which it does not hold any more
#   evidence   "read": the source was read in full; "excerpt": a part of it;
#              "unverified": no primary source was found
#   cites      where it is documented
#   unprivileged_start   the first port that needs no privilege
#
# ephemeral: ports, both ends inclusive, and the setting that changes them. Without
# protocol it holds for tcp and udp, without family for ipv4 and ipv6.

platform "linux" {
  title    = "Linux 4.2 and later"
  os       = "linux"
  since    = "4.2"
  evidence = "read"
  cites = [
    "https://www.kernel.org/doc/Documentation/networking/ip-sysctl.rst",
    "https://github.com/torvalds/linux/commit/07f4c90062f8fc7c8c26f8f95324cbe8fa3145a5",
  ]
  unprivileged_start = 1024

  ephemeral {
    ports   = "32768-60999"
    setting = "net.ipv4.ip_local_port_range"
  }
}

platform "linux-old" {
  title    = "Linux before 4.2"
  os       = "linux"
  until    = "4.2"
  evidence = "excerpt"
  cites    = ["https://github.com/torvalds/linux/commit/07f4c90062f8fc7c8c26f8f95324cbe8fa3145a5"]

  ephemeral {
    ports   = "32768-61000"
    setting = "net.ipv4.ip_local_port_range"
  }
}

platform "windows-server" {
  title    = "Windows Vista, Server 2008 and later"
  aliases  = ["windows"]
  os       = "windows"
  since    = "Vista, Server 2008"
  evidence = "read"
  cites    = ["https://learn.microsoft.com/troubleshoot/windows-server/networking/default-dynamic-port-range-tcpip-chang"]

  # Four ranges that are set one by one.
  ephemeral {
    protocol = "tcp"
    family   = "ipv4"
    ports    = "49152-65535"
    setting  = "netsh int ipv4 show dynamicport tcp"
  }
  ephemeral {
    protocol = "tcp"
    family   = "ipv6"
    ports    = "49152-65535"
    setting  = "netsh int ipv6 show dynamicport tcp"
  }
  ephemeral {
    protocol = "udp"
    family   = "ipv4"
    ports    = "49152-65535"
    setting  = "netsh int ipv4 show dynamicport udp"
  }
  ephemeral {
    protocol = "udp"
    family   = "ipv6"
    ports    = "49152-65535"
    setting  = "netsh int ipv6 show dynamicport udp"
  }
}

platform "windows-2003" {
  title    = "Windows 2000, XP and Server 2003"
  aliases  = ["windows-xp", "windows-2000"]
  os       = "windows"
  until    = "Vista, Server 2008"
  evidence = "read"
  cites = [
    "https://learn.microsoft.com/troubleshoot/windows-server/networking/default-dynamic-port-range-tcpip-chang",
    "https://learn.microsoft.com/en-us/previous-versions/windows/it-pro/windows-server-2003/cc758002(v=ws.10)",
  ]

  ephemeral {
    ports   = "1025-5000"
    setting = "MaxUserPort"
  }
}

platform "freebsd" {
  title    = "FreeBSD"
  os       = "freebsd"
  evidence = "excerpt"
  cites    = ["https://github.com/freebsd/freebsd-src/blob/main/sys/netinet/in.h"]

  ephemeral {
    ports   = "10000-65535"
    setting = "net.inet.ip.portrange.first and .last"
  }
}

# The header of that time has this range in a comment; which releases had it was not
# found out.
platform "freebsd-old" {
  title    = "FreeBSD, old releases"
  os       = "freebsd"
  evidence = "unverified"
  cites    = ["https://github.com/freebsd/freebsd-src/blob/main/sys/netinet/in.h"]

  ephemeral {
    ports   = "49152-65535"
    setting = "net.inet.ip.portrange.first and .last"
  }
}

platform "openbsd" {
  title    = "OpenBSD"
  os       = "openbsd"
  evidence = "excerpt"
  cites    = ["https://github.com/openbsd/src/blob/master/sys/netinet/in.h"]

  ephemeral {
    ports   = "1024-49151"
    setting = "net.inet.ip.portfirst and portlast"
  }
}

# The only system here that keeps a range for each family.
platform "netbsd" {
  title    = "NetBSD"
  os       = "netbsd"
  evidence = "excerpt"
  cites    = ["https://github.com/NetBSD/src/blob/trunk/sys/netinet/in.h"]

  ephemeral {
    family  = "ipv4"
    ports   = "49152-65535"
    setting = "net.inet.ip.anonportmin and anonportmax"
  }
  ephemeral {
    family  = "ipv6"
    ports   = "49152-65535"
    setting = "net.inet6.ip6.anonportmin and anonportmax"
  }
}

platform "macos" {
  title    = "macOS"
  aliases  = ["darwin"]
  os       = "darwin"
  evidence = "read"
  cites    = ["https://github.com/apple-oss-distributions/xnu/blob/e3723e1f1/bsd/netinet/in_pcb.c"]

  ephemeral {
    ports   = "49152-65535"
    setting = "net.inet.ip.portrange.first and .last"
  }
}

platform "solaris" {
  title    = "Solaris and illumos"
  aliases  = ["illumos", "omnios", "openindiana", "smartos"]
  os       = "solaris"
  evidence = "excerpt"
  cites    = ["https://docs.oracle.com/cd/E36784_01/html/E36845/fahpq.html"]

  ephemeral {
    protocol = "tcp"
    ports    = "32768-65535"
    setting  = "ipadm show-prop -p smallest_anon_port,largest_anon_port tcp"
  }
  ephemeral {
    protocol = "udp"
    ports    = "32768-65535"
    setting  = "ipadm show-prop -p smallest_anon_port,largest_anon_port udp"
  }
}

platform "aix" {
  title    = "AIX"
  os       = "aix"
  evidence = "excerpt"
  cites    = ["https://docs.oracle.com/cd/E96517_01/cwaix/setting-udp-tcp-kernel-parameters.html"]

  ephemeral {
    protocol = "tcp"
    ports    = "32768-65535"
    setting  = "tcp_ephemeral_low and tcp_ephemeral_high"
  }
  ephemeral {
    protocol = "udp"
    ports    = "32768-65535"
    setting  = "udp_ephemeral_low and udp_ephemeral_high"
  }
}

platform "hp-ux" {
  title    = "HP-UX"
  aliases  = ["hpux"]
  os       = "hp-ux"
  evidence = "unverified"
  cites    = []

  ephemeral {
    protocol = "tcp"
    ports    = "49152-65535"
    setting  = "ndd /dev/tcp tcp_smallest_anon_port"
  }
  ephemeral {
    protocol = "udp"
    ports    = "49152-65535"
    setting  = "ndd /dev/udp udp_smallest_anon_port"
  }
}

platform "zos" {
  title    = "z/OS"
  aliases  = ["z/os"]
  os       = "zos"
  evidence = "excerpt"
  cites    = ["https://www.ibm.com/support/knowledgecenter/en/SSLTBW_2.3.0/com.ibm.zos.v2r3.halz001/udpconfigstatement.dita"]

  ephemeral {
    ports   = "1024-65535"
    setting = "EPHEMERALPORTS"
  }
}

# Not a system: the ports that are never assigned to a service, for files that are
# meant for any system that follows the registry.
platform "iana" {
  title    = "the dynamic ports of IANA"
  aliases  = ["rfc6335"]
  os       = "any"
  evidence = "excerpt"
  cites = [
    "https://www.rfc-editor.org/rfc/rfc6335",
    "https://www.iana.org/assignments/service-names-port-numbers",
  ]

  ephemeral {
    ports   = "49152-65535"
    setting = "RFC 6335 section 6"
  }
}
