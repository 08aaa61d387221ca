#Requires -Version 5.1
#Requires -Modules NetSecurity
#Requires -RunAsAdministrator
<#
.SYNOPSIS
Opens this host's service ports in Windows Firewall.

.DESCRIPTION
Creates the inbound allow rules of the data block below in the group 'Portolan', then
removes the rules of that group which the block does not have. Rules of other groups are
never touched. A rule's name holds a hash of its content, so a changed rule is a new
rule, and running the script again changes nothing. It asks nothing, writes objects, and
ends with an error when something failed.

What is not written here because Windows does it by itself:
- inbound traffic that no rule allows is blocked; this is the default action, see
  https://learn.microsoft.com/en-us/windows/security/operating-system-security/network-security/windows-firewall/rules
- replies to a connection that was let through pass: the firewall is stateful
- traffic of the host to itself (loopback) passes
The last two are how Windows behaves as far as we know; this script was not tried on a
real Windows. Rules of other groups may open more, and a block rule of another group
beats every rule here: [MS-FASP] 2.2.34. IPv6 sources :: and ::1 cannot be named in a
rule ([MS-FASP] 2.2.4 to 2.2.15) and never arrive from a network (RFC 4291 sections 2.5.2, 2.5.3),
so a range that starts at ::2 means all below it too.

.PARAMETER Remove
Removes every rule of the group 'Portolan' and creates none.

.PARAMETER Verify
Changes nothing. Writes one object for each difference between this file and the rules
of the group, and for each firewall profile in which they have no effect; ends with an
error when there is one.

.EXAMPLE
.\portolan.ps1 -WhatIf

Lists what would be created and removed.

.EXAMPLE
.\portolan.ps1

Creates and removes.
#>
# portolan 0.1.0: a firewall for Windows PowerShell 5.1 and PowerShell 7
# policy: portolan.hcl
# made from:
#   etc/lumenvox/media_server.conf
#   etc/ssh/sshd_config
[CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'Medium', DefaultParameterSetName = 'Apply')]
[OutputType([pscustomobject])]
param(
    [Parameter(Mandatory, ParameterSetName = 'Remove')]
    [switch] $Remove,

    [Parameter(Mandatory, ParameterSetName = 'Verify')]
    [switch] $Verify
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$Rules = @(
    @{
        Name          = 'PL-icmp-35d7ad9ca611'
        DisplayName   = 'Portolan icmp (ICMPv4)'
        Description   = 'icmp'
        Protocol      = 'ICMPv4'
        IcmpType      = @('3', '8', '11', '12')
        RemoteAddress = @('Any')
    }
    @{
        Name          = 'PL-icmpv6-9bf93a7be9ba'
        DisplayName   = 'Portolan icmpv6 (ICMPv6)'
        Description   = 'icmpv6'
        Protocol      = 'ICMPv6'
        IcmpType      = @('1', '2', '3', '4', '128', '129', '130', '131', '132', '133', '134', '135', '136', '143')
        RemoteAddress = @('Any')
    }
    @{
        Name          = 'PL-dhcp-2af372351a9d'
        DisplayName   = 'Portolan dhcp (UDP)'
        Description   = 'dhcp'
        Protocol      = 'UDP'
        LocalPort     = @('68')
        RemoteAddress = @('0.0.0.0/1', '128.0.0.0/1')
    }
    @{
        Name          = 'PL-dhcpv6-4a8e943e6b29'
        DisplayName   = 'Portolan dhcpv6 (UDP)'
        Description   = 'dhcpv6'
        Protocol      = 'UDP'
        LocalPort     = @('546')
        RemoteAddress = @('::2-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff')
    }
    @{
        Name          = 'PL-speech-af644b1c2395'
        DisplayName   = 'Portolan speech (TCP)'
        Description   = 'lumenvox-media-server rtsp etc/lumenvox/media_server.conf:12'
        Protocol      = 'TCP'
        LocalPort     = @('554')
        RemoteAddress = @('10.20.0.0/16', '2001:db8:20::/48')
    }
    @{
        Name          = 'PL-speech-8f39caf45cf5'
        DisplayName   = 'Portolan speech (TCP)'
        Description   = 'lumenvox-media-server mrcp etc/lumenvox/media_server.conf:22'
        Protocol      = 'TCP'
        LocalPort     = @('20000-24999')
        RemoteAddress = @('10.20.0.0/16', '2001:db8:20::/48')
    }
    @{
        Name          = 'PL-speech-eaeeb3b6bd15'
        DisplayName   = 'Portolan speech (UDP)'
        Description   = 'lumenvox-media-server rtp etc/lumenvox/media_server.conf:36'
        Protocol      = 'UDP'
        LocalPort     = @('25000-25399')
        RemoteAddress = @('Any')
    }
    @{
        Name          = 'PL-speech-456607c8a3ce'
        DisplayName   = 'Portolan speech (UDP)'
        Description   = 'lumenvox-media-server sip etc/lumenvox/media_server.conf:9'
        Protocol      = 'UDP'
        LocalPort     = @('5060')
        RemoteAddress = @('10.20.0.0/16', '2001:db8:20::/48')
    }
    @{
        Name          = 'PL-trunks-7db0d789d6c6'
        DisplayName   = 'Portolan trunks (UDP)'
        Description   = 'asterisk sip etc/asterisk/pjsip.conf:4'
        Protocol      = 'UDP'
        LocalPort     = @('5060', '5080')
        RemoteAddress = @('192.0.2.0/24', '198.51.100.7', '198.51.100.64/26', '203.0.113.5-203.0.113.77', '2001:db8:7::/64', '2001:db8:9::1')
    }
    @{
        Name          = 'PL-trunks-3c295ca6bed0'
        DisplayName   = 'Portolan trunks (UDP)'
        Description   = 'asterisk rtp etc/asterisk/rtp.conf:3'
        Protocol      = 'UDP'
        LocalPort     = @('10000-10499', '25300-25500')
        RemoteAddress = @('192.0.2.0/24', '198.51.100.7', '198.51.100.64/26', '203.0.113.5-203.0.113.77', '2001:db8:7::/64', '2001:db8:9::1')
    }
    @{
        Name          = 'PL-web-d89965f843dd'
        DisplayName   = 'Portolan web (TCP)'
        Description   = 'nginx http etc/nginx/nginx.conf:8'
        Protocol      = 'TCP'
        LocalPort     = @('80', '443')
        RemoteAddress = @('Any')
    }
    @{
        Name          = 'PL-ssh-9de2a026fbf5'
        DisplayName   = 'Portolan ssh (TCP)'
        Description   = 'sshd ssh etc/ssh/sshd_config:13'
        Protocol      = 'TCP'
        LocalPort     = @('22')
        RemoteAddress = @('10.1.0.0/24', '2001:db8:1::/48')
    }
)

$Group = 'Portolan'
$Store = 'PersistentStore'
$Common = @{
    Group       = $Group
    PolicyStore = $Store
    Enabled     = 'True'
    Direction   = 'Inbound'
    Action      = 'Allow'
    Profile     = 'Any'
}

# Every rule of the group. An empty group is a "not found" error of the cmdlet; every
# other error is passed on, so that a failed look is never taken for an empty group.
function Get-GroupRule {
    [CmdletBinding()]
    param()
    try {
        Get-NetFirewallRule -Group $Group -PolicyStore $Store -ErrorAction Stop
    }
    catch {
        if ($_.CategoryInfo.Category -ne [System.Management.Automation.ErrorCategory]::ObjectNotFound) {
            throw
        }
    }
}

# One spelling for a list of ports, types or addresses. Windows gives a network back
# with a mask, 10.0.0.0/255.0.0.0, however it was written. ICMP type 3 with every code
# is 3 or 3:*.
function ConvertTo-PlainList {
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter()]
        [AllowNull()]
        [object] $Value
    )
    $plain = foreach ($item in @($Value)) {
        $text = ([string] $item).ToLowerInvariant()
        if ($text -match '^([0-9.]+)/([0-9]+\.[0-9]+\.[0-9]+\.[0-9]+)$') {
            $network = $Matches[1]
            $bits = 0
            foreach ($byte in ([System.Net.IPAddress] $Matches[2]).GetAddressBytes()) {
                $bits += ([System.Convert]::ToString($byte, 2) -replace '0', '').Length
            }
            $text = '{0}/{1}' -f $network, $bits
        }
        $text -replace '^([0-9.]+)/32$', '$1' -replace '^([0-9a-f:]+)/128$', '$1' -replace ':\*$', ''
    }
    (@($plain) | Sort-Object -Unique) -join ','
}

$wanted = @{}
foreach ($rule in $Rules) {
    $wanted[$rule.Name] = $rule
}
$existing = @(Get-GroupRule)
$present = @{}
foreach ($rule in $existing) {
    $present[$rule.Name] = $rule
}

if ($Verify) {
    $portFilters = @{}
    foreach ($filter in @(Get-NetFirewallPortFilter -PolicyStore $Store)) {
        $portFilters[$filter.InstanceID] = $filter
    }
    $addressFilters = @{}
    foreach ($filter in @(Get-NetFirewallAddressFilter -PolicyStore $Store)) {
        $addressFilters[$filter.InstanceID] = $filter
    }
    $differences = @(
        foreach ($rule in $Rules) {
            if (-not $present.ContainsKey($rule.Name)) {
                [pscustomobject]@{ Name = $rule.Name; Difference = 'is missing' }
                continue
            }
            $real = $present[$rule.Name]
            foreach ($key in 'Enabled', 'Direction', 'Action', 'Profile') {
                if ([string] $real.$key -ne $Common[$key]) {
                    [pscustomobject]@{ Name = $rule.Name; Difference = "$key is $($real.$key)" }
                }
            }
            $portFilter = $portFilters[$rule.Name]
            $addressFilter = $addressFilters[$rule.Name]
            if ($null -eq $portFilter -or $null -eq $addressFilter) {
                [pscustomobject]@{ Name = $rule.Name; Difference = 'has no filter' }
                continue
            }
            if ([string] $portFilter.Protocol -ne $rule.Protocol) {
                [pscustomobject]@{ Name = $rule.Name; Difference = "Protocol is $($portFilter.Protocol)" }
            }
            foreach ($key in 'LocalPort', 'IcmpType') {
                if ($rule.ContainsKey($key) -and
                    (ConvertTo-PlainList $portFilter.$key) -ne (ConvertTo-PlainList $rule[$key])) {
                    [pscustomobject]@{ Name = $rule.Name; Difference = "$key is $($portFilter.$key)" }
                }
            }
            if ((ConvertTo-PlainList $addressFilter.RemoteAddress) -ne (ConvertTo-PlainList $rule.RemoteAddress)) {
                [pscustomobject]@{ Name = $rule.Name; Difference = "RemoteAddress is $($addressFilter.RemoteAddress)" }
            }
        }
        foreach ($rule in $existing) {
            if (-not $wanted.ContainsKey($rule.Name)) {
                [pscustomobject]@{ Name = $rule.Name; Difference = 'is not in this file' }
            }
        }
        foreach ($profile_ in @(Get-NetFirewallProfile -PolicyStore ActiveStore)) {
            if ([string] $profile_.Enabled -ne 'True') {
                [pscustomobject]@{ Name = $profile_.Name; Difference = 'profile is off: nothing is blocked' }
            }
            if ([string] $profile_.DefaultInboundAction -eq 'Allow') {
                [pscustomobject]@{ Name = $profile_.Name; Difference = 'profile allows what no rule allows' }
            }
            if ([string] $profile_.AllowLocalFirewallRules -eq 'False') {
                [pscustomobject]@{ Name = $profile_.Name; Difference = 'profile ignores local rules' }
            }
        }
    )
    $differences
    if ($differences.Count -gt 0) {
        throw "$($differences.Count) differences between this file and the firewall"
    }
    return
}

# Create before remove: a port that stays open is never closed in between.
if (-not $Remove) {
    foreach ($rule in $Rules) {
        if (-not $present.ContainsKey($rule.Name) -and
            $PSCmdlet.ShouldProcess($rule.DisplayName, 'Create firewall rule')) {
            $null = New-NetFirewallRule @rule @Common
            [pscustomobject]@{ Action = 'Created'; Name = $rule.Name }
        }
    }
}

# Remove-NetFirewallRule without a selector deletes every rule of the host, and its -Name
# takes wildcards. So it is only ever given one rule object at a time.
foreach ($rule in $existing) {
    if ($null -eq $rule -or $rule.Group -ne $Group) {
        throw 'the firewall gave back a rule that is not in the group'
    }
    if (($Remove -or -not $wanted.ContainsKey($rule.Name)) -and
        $PSCmdlet.ShouldProcess($rule.DisplayName, 'Remove firewall rule')) {
        $name = $rule.Name
        Remove-NetFirewallRule -InputObject $rule
        [pscustomobject]@{ Action = 'Removed'; Name = $name }
    }
}
