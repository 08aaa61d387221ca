# A speech server on Windows whose callers and operators are known.
#
# Windows Firewall has no limits on how often a rule matches and no logging for a single
# rule, so this policy has no "limit" and no "log".
zone "voice-platform" { sources = ["10.20.0.0/16", "2001:db8:20::/48"] }
zone "operators" { sources = ["10.1.0.0/24"] }

# Without "listen", every public listener of the media server.
allow "speech" {
  service = "lumenvox-media-server"
  from    = [zone.voice-platform]
}

# Remote Desktop (TCP and UDP 3389) and PowerShell remoting (WinRM, TCP 5985 and 5986)
# have no configuration file to read, so their ports stand here.
allow "remote-desktop" {
  ports = ["3389/tcp", "3389/udp"]
  from  = [zone.operators]
}

allow "winrm" {
  ports = ["5985-5986/tcp"]
  from  = [zone.operators]
}

# Everything else is dropped.
default {
  input = "drop"
}
