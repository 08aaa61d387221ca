#Requires -Version 5.1
#Requires -Modules NetSecurity
#Requires -RunAsAdministrator
<#
.SYNOPSIS
Opens this host's service ports in Windows Firewall, and nothing else.

.DESCRIPTION
Creates the allow rules of the data block below in the group 'Portolan', then removes the
rules of that group which the block does not have. A rule's name holds a hash of its
content, so a changed rule is a new rule, and running the script again changes nothing. A
rule of the group that somebody changed by hand is removed and created again. Rules of
other groups are never touched. It asks nothing, writes one object for each change and one
that counts them, and ends with an error (exit code 1 of powershell.exe -File) when
something failed.

Before its first change it exports the whole firewall beside the journal (journal.wfw) and
writes into the journal what it is about to do. -Rollback undoes exactly that last run. A
run without changes leaves both as they are. Conditions that no rule of ours has, such as
users or IPsec, are in the export and not in the journal. Importing the export replaces the
policy of everybody, so it stays a last resort for people.

What is not written here because Windows does it by itself:
- inbound traffic that no rule allows is blocked; this is the default action, see
  https://learn.microsoft.com/en-us/windows/security/operating-system-security/network-security/windows-firewall/rules
- replies to a connection that was let through pass: the firewall is stateful
- traffic of the host to itself (loopback) passes
The last two are how Windows behaves as far as we know; THIS SCRIPT WAS NOT TRIED ON A
REAL WINDOWS by those who made it. portolan.Tests.ps1, which is written beside it into a
folder, tries it on yours: run that on a virtual machine first.

Rules of other groups may open more (among them Windows' own, such as Core Networking),
and a block rule of another group beats every rule here: [MS-FASP] 2.2.34. IPv6 addresses ::
and ::1 cannot be named in a rule ([MS-FASP] 2.2.4 to 2.2.15) and are never on a network (RFC
4291 sections 2.5.2, 2.5.3), so a range that starts at ::2 means all below it too.

Outbound rules ($Outbound is 'Block' below) have an effect only while the default outbound
action of the profile is Block. That action is for all rules of the host, so it is changed
with -BlockOutbound only, and what this file was proved to mean is what holds from then
on. Until then everything leaves; the script warns of it, and -Verify reports it.

The script is plain ASCII and needs no execution policy of its own. A copy from a download
is freed with Unblock-File, or run once with: powershell.exe -NoProfile -ExecutionPolicy Bypass -File portolan.ps1

.PARAMETER Remove
Removes every rule of the group 'Portolan' and creates none. What -BlockOutbound and
-ReservePorts have changed is put back as far as the journal knows of it.

.PARAMETER Verify
Changes nothing. Writes one object for each difference between this file and the rules
of the group, and for each firewall profile in which they have no effect; warns of block
rules of others; ends with an error when there is a difference.

.PARAMETER Rollback
Undoes the last run that changed something, as the journal has it. A second time it
changes nothing.

.PARAMETER BlockOutbound
Sets the default outbound action of the profiles to Block, after all rules are there. It is
refused for a file that says nothing of what leaves.

.PARAMETER ReservePorts
Takes the ranges of $Ranges, as far as they lie in the dynamic port range of this host, out
of it (netsh interface ipv4|ipv6 add excludedportrange), so that Windows gives none of their
ports to other programs. Where Hyper-V or WinNAT holds a part of a range that fails, and
nothing of that range is changed: net stop winnat, run again, net start winnat.

.PARAMETER FirewallProfile
The network profiles that the rules are for: Any (the default), or one or more of Domain,
Private and Public. It is part of the rules' names. Give the same ones to -Verify.

.PARAMETER JournalPath
The file of the journal. The default is %ProgramData%\Portolan\journal.json. A folder that is
not there is created for Administrators and SYSTEM alone; a journal that belongs to anybody
else is refused.

.EXAMPLE
.\portolan.ps1 -WhatIf

Lists what would be created and removed.

.EXAMPLE
.\portolan.ps1 -Verbose

Creates and removes.

.EXAMPLE
.\portolan.ps1 -Profile Domain, Private

Opens the ports in two profiles only.

.EXAMPLE
.\portolan.ps1 -Verify; .\portolan.ps1 -Rollback

Looks whether the rules are as they should be, and undoes the last run.

.OUTPUTS
Objects with Action, Name and Detail; with -Verify objects with Name and Difference.
#>
# portolan 0.1.0: a firewall for Windows PowerShell 5.1 and PowerShell 7
# policy: portolan.hcl
# made from:
#   etc/lumenvox/media_server.conf
#   etc/ssh/sshd_config
# to keep the dynamic ports of Windows out of the services' ranges, by hand (what
# -ReservePorts does where a range and the dynamic ports meet):
#   netsh int ipv4 add excludedportrange protocol=tcp startport=20000 numberofports=5000 store=persistent
#   netsh int ipv6 add excludedportrange protocol=tcp startport=20000 numberofports=5000 store=persistent
#   netsh int ipv4 add excludedportrange protocol=udp startport=10000 numberofports=500 store=persistent
#   netsh int ipv6 add excludedportrange protocol=udp startport=10000 numberofports=500 store=persistent
#   netsh int ipv4 add excludedportrange protocol=udp startport=25000 numberofports=501 store=persistent
#   netsh int ipv6 add excludedportrange protocol=udp startport=25000 numberofports=501 store=persistent
[CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'Medium', DefaultParameterSetName = 'Apply')]
[OutputType([pscustomobject])]
param(
    [Parameter(Mandatory, ParameterSetName = 'Remove')]
    [switch] $Remove,

    [Parameter(Mandatory, ParameterSetName = 'Verify')]
    [switch] $Verify,

    [Parameter(Mandatory, ParameterSetName = 'Rollback')]
    [switch] $Rollback,

    [Parameter(ParameterSetName = 'Apply')]
    [switch] $BlockOutbound,

    [Parameter(ParameterSetName = 'Apply')]
    [switch] $ReservePorts,

    [Parameter(ParameterSetName = 'Apply')]
    [Parameter(ParameterSetName = 'Verify')]
    [Alias('Profile')]
    [ValidateSet('Any', 'Domain', 'Private', 'Public')]
    [string[]] $FirewallProfile = @('Any'),

    [Parameter()]
    [ValidateNotNullOrEmpty()]
    [string] $JournalPath = (Join-Path -Path $env:ProgramData -ChildPath 'Portolan\journal.json')
)

Set-StrictMode -Version Latest
# The cmdlets of NetSecurity and NetTCPIP live in modules, which do not see this: each of
# them is given -ErrorAction Stop.
$ErrorActionPreference = 'Stop'

# The default outbound action under which the rules mean the policy: 'Allow' when the
# policy says nothing of what leaves.
$Outbound = 'Allow'

# Local ports of services, for -ReservePorts.
$Ranges = @(
    'TCP 20000-24999'
    'UDP 10000-10499'
    'UDP 25000-25500'
)

$Rules = @(
    @{
        Name          = 'PL-icmp-96b294201cf8'
        DisplayName   = 'Portolan icmp (ICMPv4)'
        Description   = 'Portolan: icmp'
        Direction     = 'Inbound'
        Protocol      = 'ICMPv4'
        IcmpType      = @('3', '8', '11', '12')
        RemoteAddress = @('Any')
    }
    @{
        Name          = 'PL-icmpv6-6fc38815075d'
        DisplayName   = 'Portolan icmpv6 (ICMPv6)'
        Description   = 'Portolan: icmpv6'
        Direction     = 'Inbound'
        Protocol      = 'ICMPv6'
        IcmpType      = @('1', '2', '3', '4', '128', '129', '130', '131', '132', '133', '134', '135', '136', '143')
        RemoteAddress = @('Any')
    }
    @{
        Name          = 'PL-dhcp-9f4cbe9b353f'
        DisplayName   = 'Portolan dhcp (UDP)'
        Description   = 'Portolan: dhcp'
        Direction     = 'Inbound'
        Protocol      = 'UDP'
        LocalPort     = @('68')
        RemoteAddress = @('0.0.0.0/1', '128.0.0.0/1')
    }
    @{
        Name          = 'PL-dhcpv6-11be0273e592'
        DisplayName   = 'Portolan dhcpv6 (UDP)'
        Description   = 'Portolan: dhcpv6'
        Direction     = 'Inbound'
        Protocol      = 'UDP'
        LocalPort     = @('546')
        RemoteAddress = @('::2-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff')
    }
    @{
        Name          = 'PL-speech-0fc1f36d4371'
        DisplayName   = 'Portolan speech (TCP)'
        Description   = 'Portolan: lumenvox-media-server rtsp etc/lumenvox/media_server.conf:12'
        Direction     = 'Inbound'
        Protocol      = 'TCP'
        LocalPort     = @('554')
        RemoteAddress = @('10.20.0.0/16', '2001:db8:20::/48')
    }
    @{
        Name          = 'PL-speech-81f1153d9f4e'
        DisplayName   = 'Portolan speech (TCP)'
        Description   = 'Portolan: lumenvox-media-server mrcp etc/lumenvox/media_server.conf:22'
        Direction     = 'Inbound'
        Protocol      = 'TCP'
        LocalPort     = @('20000-24999')
        RemoteAddress = @('10.20.0.0/16', '2001:db8:20::/48')
    }
    @{
        Name          = 'PL-speech-45be0ce70f09'
        DisplayName   = 'Portolan speech (UDP)'
        Description   = 'Portolan: lumenvox-media-server rtp etc/lumenvox/media_server.conf:36'
        Direction     = 'Inbound'
        Protocol      = 'UDP'
        LocalPort     = @('25000-25399')
        RemoteAddress = @('0.0.0.0-10.20.65.255', '10.20.67.0-203.0.112.255', '203.0.114.0-255.255.255.255', '::2-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff')
    }
    @{
        Name          = 'PL-speech-8b7b0f74e826'
        DisplayName   = 'Portolan speech (UDP)'
        Description   = 'Portolan: lumenvox-media-server sip etc/lumenvox/media_server.conf:9'
        Direction     = 'Inbound'
        Protocol      = 'UDP'
        LocalPort     = @('5060')
        RemoteAddress = @('10.20.0.0-10.20.65.255', '10.20.67.0-10.20.255.255', '2001:db8:20::/48')
    }
    @{
        Name          = 'PL-trunks-f6fc9e7e8902'
        DisplayName   = 'Portolan trunks (UDP)'
        Description   = 'Portolan: asterisk sip etc/asterisk/pjsip.conf:4'
        Direction     = 'Inbound'
        Protocol      = 'UDP'
        LocalPort     = @('5060', '5080')
        RemoteAddress = @('192.0.2.0/24', '198.51.100.7', '198.51.100.64/26', '2001:db8:7::/64', '2001:db8:9::1')
    }
    @{
        Name          = 'PL-trunks-c3c8671bab32'
        DisplayName   = 'Portolan trunks (UDP)'
        Description   = 'Portolan: asterisk rtp etc/asterisk/rtp.conf:3'
        Direction     = 'Inbound'
        Protocol      = 'UDP'
        LocalPort     = @('10000-10499', '25300-25500')
        RemoteAddress = @('192.0.2.0/24', '198.51.100.7', '198.51.100.64/26', '2001:db8:7::/64', '2001:db8:9::1')
    }
    @{
        Name          = 'PL-web-243e0ca327d9'
        DisplayName   = 'Portolan web (TCP)'
        Description   = 'Portolan: nginx http etc/nginx/nginx.conf:8'
        Direction     = 'Inbound'
        Protocol      = 'TCP'
        LocalPort     = @('80', '443')
        RemoteAddress = @('0.0.0.0-10.1.0.127', '10.1.1.0-255.255.255.255', '::2-2001:db8:1:bac:ffff:ffff:ffff:ffff', '2001:db8:1:bae::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff')
    }
    @{
        Name          = 'PL-web-0c275b734b3b'
        DisplayName   = 'Portolan web (TCP)'
        Description   = 'Portolan: nginx http etc/nginx/nginx.conf:8'
        Direction     = 'Inbound'
        Protocol      = 'TCP'
        LocalPort     = @('443')
        RemoteAddress = @('10.1.0.128/25', '2001:db8:1:bad::/64')
    }
    @{
        Name          = 'PL-ssh-e4a04de592d9'
        DisplayName   = 'Portolan ssh (TCP)'
        Description   = 'Portolan: sshd ssh etc/ssh/sshd_config:13'
        Direction     = 'Inbound'
        Protocol      = 'TCP'
        LocalPort     = @('22')
        RemoteAddress = @('10.1.0.0/25', '2001:db8:1::-2001:db8:1:bac:ffff:ffff:ffff:ffff', '2001:db8:1:bae::-2001:db8:1:ffff:ffff:ffff:ffff:ffff')
    }
)

$Group = 'Portolan'
$Store = 'PersistentStore'
$NamePattern = '^PL-[a-z0-9_]{1,40}-[0-9a-f]{12}(-domain)?(-private)?(-public)?\z'
$Netsh = Join-Path -Path $env:SystemRoot -ChildPath 'System32\netsh.exe'

# What a rule says, and the value of what the data block leaves out.
$Unsaid = [ordered]@{
    Enabled             = 'True'
    Action              = 'Allow'
    Profile             = 'Any'
    EdgeTraversalPolicy = 'Block'
    LocalPort           = @('Any')
    RemotePort          = @('Any')
    IcmpType            = @('Any')
    LocalAddress        = @('Any')
    Program             = 'Any'
    Service             = 'Any'
    InterfaceType       = 'Any'
    InterfaceAlias      = @('Any')
}
$Texts = @('Name', 'DisplayName', 'Description')
$Said = @('Direction', 'Protocol', 'RemoteAddress') + @($Unsaid.Keys)

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
# is 3 or 3:*. IPv6 addresses have many spellings.
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
        $parts = foreach ($part in ($text -split '([/-])')) {
            [System.Net.IPAddress] $address = $null
            if ($part.Contains(':') -and [System.Net.IPAddress]::TryParse($part, [ref] $address)) {
                $address.ToString()
            }
            else {
                $part
            }
        }
        (-join $parts) -replace '^([0-9.]+)/32$', '$1' -replace '^([0-9a-f:]+)/128$', '$1' -replace ':\*$', ''
    }
    (@($plain) | Sort-Object -Unique) -join ','
}

# The filters of all rules by the rule that each belongs to: one look at the store is much
# faster than one for each rule.
function ConvertTo-FilterTable {
    [CmdletBinding()]
    [OutputType([hashtable])]
    param(
        [Parameter(ValueFromPipeline)]
        [object] $Filter
    )
    begin {
        $table = @{}
    }
    process {
        $table[[string] $Filter.InstanceID] = $Filter
    }
    end {
        $table
    }
}

# What the given rules of the firewall say, by name, in the words of the data block.
function Get-RuleRecord {
    [CmdletBinding()]
    [OutputType([hashtable])]
    param(
        [Parameter()]
        [object[]] $Rule = @()
    )
    $records = @{}
    if ($Rule.Count -eq 0) {
        return $records
    }
    $ports = Get-NetFirewallPortFilter -PolicyStore $Store -ErrorAction Stop | ConvertTo-FilterTable
    $addresses = Get-NetFirewallAddressFilter -PolicyStore $Store -ErrorAction Stop | ConvertTo-FilterTable
    $programs = Get-NetFirewallApplicationFilter -PolicyStore $Store -ErrorAction Stop | ConvertTo-FilterTable
    $services = Get-NetFirewallServiceFilter -PolicyStore $Store -ErrorAction Stop | ConvertTo-FilterTable
    $types = Get-NetFirewallInterfaceTypeFilter -PolicyStore $Store -ErrorAction Stop | ConvertTo-FilterTable
    $interfaces = Get-NetFirewallInterfaceFilter -PolicyStore $Store -ErrorAction Stop | ConvertTo-FilterTable
    foreach ($one in $Rule) {
        $id = [string] $one.InstanceID
        foreach ($table in $ports, $addresses, $programs, $services, $types, $interfaces) {
            if (-not $table.ContainsKey($id)) {
                throw "rule $($one.Name) has no filters in $Store"
            }
        }
        $port = $ports[$id]
        $hasPort = $port.Protocol -in 'TCP', 'UDP'
        $hasType = $port.Protocol -in 'ICMPv4', 'ICMPv6'
        $records[[string] $one.Name] = [ordered]@{
            Name                = [string] $one.Name
            DisplayName         = [string] $one.DisplayName
            Description         = [string] $one.Description
            Direction           = [string] $one.Direction
            Protocol            = [string] $port.Protocol
            RemoteAddress       = @($addresses[$id].RemoteAddress)
            Enabled             = [string] $one.Enabled
            Action              = [string] $one.Action
            Profile             = [string] $one.Profile
            EdgeTraversalPolicy = [string] $one.EdgeTraversalPolicy
            LocalPort           = @(if ($hasPort) { $port.LocalPort } else { 'Any' })
            RemotePort          = @(if ($hasPort) { $port.RemotePort } else { 'Any' })
            IcmpType            = @(if ($hasType) { $port.IcmpType } else { 'Any' })
            LocalAddress        = @($addresses[$id].LocalAddress)
            Program             = [string] $programs[$id].Program
            Service             = [string] $services[$id].Service
            InterfaceType       = [string] $types[$id].InterfaceType
            InterfaceAlias      = @($interfaces[$id].InterfaceAlias)
        }
    }
    $records
}

# What differs between two rules of one name. Texts for people have no effect.
function Compare-RuleRecord {
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory)]
        [System.Collections.IDictionary] $Wanted,

        [Parameter(Mandatory)]
        [System.Collections.IDictionary] $Real
    )
    foreach ($key in $Said) {
        if ((ConvertTo-PlainList -Value $Real[$key]) -ne (ConvertTo-PlainList -Value $Wanted[$key])) {
            "$key is $($Real[$key] -join ',')"
        }
    }
}

# Fails unless every name is one that this script gives. Nothing else is ever removed.
function Assert-OwnName {
    [CmdletBinding()]
    param(
        [Parameter()]
        [AllowEmptyString()]
        [string[]] $Name = @()
    )
    foreach ($one in $Name) {
        if ($one -cnotmatch $NamePattern) {
            throw "rule '$one' of the group $Group was not made by this script: move it to another group"
        }
    }
}

function Add-GroupRule {
    [CmdletBinding(SupportsShouldProcess)]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory)]
        [System.Collections.IDictionary] $Record
    )
    Assert-OwnName -Name $Record['Name']
    if (-not $PSCmdlet.ShouldProcess($Record['DisplayName'], 'Create firewall rule')) {
        return
    }
    $values = @{
        Group       = $Group
        PolicyStore = $Store
    }
    foreach ($key in $Record.Keys) {
        $plain = ConvertTo-PlainList -Value $Record[$key]
        $isUnsaid = $Unsaid.Contains($key) -and $plain -eq (ConvertTo-PlainList -Value $Unsaid[$key])
        if ($plain -ne '' -and ($key -in 'Enabled', 'Action', 'Profile' -or -not $isUnsaid)) {
            $values[$key] = $Record[$key]
        }
    }
    $null = New-NetFirewallRule @values -Confirm:$false -ErrorAction Stop
    Write-Verbose -Message "created $($Record['Name'])"
    [pscustomobject]@{ Action = 'Created'; Name = $Record['Name']; Detail = $Record['DisplayName'] }
}

# Remove-NetFirewallRule without a selector deletes every rule of the host, and its -Name
# takes wildcards. So it is only ever given one rule object, which is looked at before.
function Clear-GroupRule {
    [CmdletBinding(SupportsShouldProcess)]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory)]
        [ValidateNotNull()]
        [object] $Rule
    )
    $name = [string] $Rule.Name
    Assert-OwnName -Name $name
    if ($Rule.Group -cne $Group) {
        throw "rule '$name' is not in the group $Group"
    }
    if (-not $PSCmdlet.ShouldProcess($Rule.DisplayName, 'Remove firewall rule')) {
        return
    }
    $detail = [string] $Rule.DisplayName
    Remove-NetFirewallRule -InputObject $Rule -Confirm:$false -ErrorAction Stop
    Write-Verbose -Message "removed $name"
    [pscustomobject]@{ Action = 'Removed'; Name = $name; Detail = $detail }
}

function Edit-OutboundAction {
    [CmdletBinding(SupportsShouldProcess)]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory)]
        [System.Collections.IDictionary] $Entry
    )
    $name = $Entry['Name']
    $action = $Entry['DefaultOutboundAction']
    if (-not $PSCmdlet.ShouldProcess("profile $name", "Set default outbound action $action")) {
        return
    }
    Set-NetFirewallProfile -Name $name -DefaultOutboundAction $action -PolicyStore $Store -Confirm:$false -ErrorAction Stop
    [pscustomobject]@{ Action = 'Changed'; Name = $name; Detail = "default outbound action $action" }
}

# The default outbound action of all profiles, as this host's own policy has it.
function Get-OutboundAction {
    [CmdletBinding()]
    [OutputType([hashtable])]
    param()
    $actions = @{}
    foreach ($one in @(Get-NetFirewallProfile -PolicyStore $Store -ErrorAction Stop)) {
        $actions[[string] $one.Name] = [string] $one.DefaultOutboundAction
    }
    $actions
}

function Invoke-Netsh {
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory)]
        [string[]] $Argument
    )
    $output = @(& $Netsh $Argument)
    if ($LASTEXITCODE -ne 0) {
        throw "netsh $($Argument -join ' ') failed: $($output -join ' ')"
    }
    $output
}

# The persistent excluded ranges. netsh speaks the language of the host, so only rows of
# numbers are read, and output without the line above them is an error and not "none".
function Get-ExcludedRange {
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory)]
        [string] $Family,

        [Parameter(Mandatory)]
        [string] $Protocol
    )
    $lines = @(Invoke-Netsh -Argument 'interface', $Family, 'show', 'excludedportrange', "protocol=$Protocol", 'store=persistent')
    if (@($lines -match '^-{3}').Count -eq 0) {
        throw "netsh does not say which $Family ports of $Protocol are excluded"
    }
    foreach ($line in $lines) {
        if ($line -match '^\s*([0-9]{1,5})\s+([0-9]{1,5})\s*\*?\s*$') {
            [pscustomobject]@{ First = [int] $Matches[1]; Last = [int] $Matches[2] }
        }
    }
}

function Edit-ExcludedRange {
    [CmdletBinding(SupportsShouldProcess)]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory)]
        [ValidateSet('add', 'delete')]
        [string] $Verb,

        [Parameter(Mandatory)]
        [System.Collections.IDictionary] $Entry
    )
    $count = $Entry['Last'] - $Entry['First'] + 1
    $detail = "$($Entry['Family']) $($Entry['Protocol']) $($Entry['First'])-$($Entry['Last'])"
    if (-not $PSCmdlet.ShouldProcess($detail, "netsh $Verb excludedportrange")) {
        return
    }
    $null = Invoke-Netsh -Argument @(
        'interface', $Entry['Family'], $Verb, 'excludedportrange', "protocol=$($Entry['Protocol'])",
        "startport=$($Entry['First'])", "numberofports=$count", 'store=persistent'
    )
    $action = if ($Verb -eq 'add') { 'Reserved' } else { 'Released' }
    [pscustomobject]@{ Action = $action; Name = $Entry['Protocol']; Detail = $detail }
}

# The parts of $Ranges that lie in the dynamic ports and are not excluded yet.
function Get-WantedExclusion {
    [CmdletBinding()]
    [OutputType([System.Collections.Specialized.OrderedDictionary])]
    param()
    foreach ($protocol in 'tcp', 'udp') {
        $settings = if ($protocol -eq 'tcp') { @(Get-NetTCPSetting -ErrorAction Stop) } else { @(Get-NetUDPSetting -ErrorAction Stop) }
        $settings = @($settings | Where-Object -FilterScript { $_.DynamicPortRangeNumberOfPorts -gt 0 })
        if ($settings.Count -eq 0) {
            throw "Windows does not say what the dynamic $protocol ports are"
        }
        $low = 65536
        $high = 0
        foreach ($setting in $settings) {
            $start = [int] $setting.DynamicPortRangeStartPort
            $low = [System.Math]::Min($low, $start)
            $high = [System.Math]::Max($high, $start + [int] $setting.DynamicPortRangeNumberOfPorts - 1)
        }
        $meeting = @(
            foreach ($range in $Ranges) {
                if ($range -match '^(TCP|UDP) ([0-9]+)-([0-9]+)$' -and $Matches[1] -eq $protocol) {
                    $first = [System.Math]::Max([int] $Matches[2], $low)
                    $last = [System.Math]::Min([int] $Matches[3], $high)
                    if ($first -le $last) {
                        [pscustomobject]@{ First = $first; Last = $last }
                    }
                }
            }
        )
        $left = $high - $low + 1
        foreach ($one in $meeting) {
            $left -= $one.Last - $one.First + 1
        }
        if ($meeting.Count -gt 0 -and $left -lt 1024) {
            throw "only $left dynamic $protocol ports would be left of ${low}-${high}: move the dynamic range instead (netsh int ipv4 set dynamicport)"
        }
        foreach ($family in 'ipv4', 'ipv6') {
            $known = @(if ($meeting.Count -gt 0) { Get-ExcludedRange -Family $family -Protocol $protocol })
            foreach ($one in $meeting) {
                $start = $one.First
                foreach ($row in @($known | Sort-Object -Property First)) {
                    if ($row.Last -lt $start -or $row.First -gt $one.Last) {
                        continue
                    }
                    if ($row.First -gt $start) {
                        [ordered]@{ Family = $family; Protocol = $protocol; First = $start; Last = $row.First - 1 }
                    }
                    $start = $row.Last + 1
                }
                if ($start -le $one.Last) {
                    [ordered]@{ Family = $family; Protocol = $protocol; First = $start; Last = $one.Last }
                }
            }
        }
    }
}

# Whether the host has exactly this excluded range.
function Test-Exclusion {
    [CmdletBinding()]
    [OutputType([bool])]
    param(
        [Parameter(Mandatory)]
        [System.Collections.IDictionary] $Entry
    )
    $known = @(Get-ExcludedRange -Family $Entry['Family'] -Protocol $Entry['Protocol'])
    @($known | Where-Object -FilterScript { $_.First -eq $Entry['First'] -and $_.Last -eq $Entry['Last'] }).Count -gt 0
}

# Fails unless the file or folder belongs to an administrator. Everybody may create files
# below ProgramData, and what a journal says is done with an administrator's rights.
function Assert-TrustedOwner {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)]
        [string] $Path
    )
    $owner = (Get-Acl -LiteralPath $Path).GetOwner([System.Security.Principal.SecurityIdentifier]).Value
    $installer = 'S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464'
    $self = [System.Security.Principal.WindowsIdentity]::GetCurrent().User.Value
    if ($owner -notin 'S-1-5-32-544', 'S-1-5-18', $installer, $self) {
        throw "$Path belongs to $owner and not to an administrator: look at it, and remove it or name another -JournalPath"
    }
}

# What the journal says, every value looked at; an empty one when there is no journal.
function Import-Journal {
    [CmdletBinding()]
    [OutputType([hashtable])]
    param()
    $journal = @{ Created = @(); Removed = @() }
    foreach ($part in 'Profiles', 'OwnedProfiles', 'OwnedProfilesBefore', 'Reserved', 'Released', 'OwnedRanges', 'OwnedRangesBefore') {
        $journal[$part] = @()
    }
    if (-not (Test-Path -LiteralPath $JournalPath -PathType Leaf)) {
        return $journal
    }
    Assert-TrustedOwner -Path (Split-Path -Path $JournalPath -Parent)
    Assert-TrustedOwner -Path $JournalPath
    $read = ConvertFrom-Json -InputObject ([System.IO.File]::ReadAllText($JournalPath))
    if ($read.Version -ne 1) {
        throw "$JournalPath is of version $($read.Version), and this script knows version 1"
    }
    $journal['Created'] = @(foreach ($name in @($read.Created)) { [string] $name })
    Assert-OwnName -Name $journal['Created']
    $journal['Removed'] = @(
        foreach ($item in @($read.Removed)) {
            $record = [ordered]@{}
            foreach ($key in $Texts + $Said) {
                $record[$key] = if ($Unsaid[$key] -is [array] -or $key -eq 'RemoteAddress') {
                    @(foreach ($one in @($item.$key)) { [string] $one })
                }
                else {
                    [string] $item.$key
                }
            }
            Assert-OwnName -Name $record['Name']
            $record
        }
    )
    foreach ($part in 'Profiles', 'OwnedProfiles', 'OwnedProfilesBefore') {
        $journal[$part] = @(
            foreach ($item in @($read.$part)) {
                if ($item.Name -notin 'Domain', 'Private', 'Public' -or
                    $item.DefaultOutboundAction -notin 'NotConfigured', 'Allow', 'Block') {
                    throw "$JournalPath has a profile that is not understood"
                }
                [ordered]@{ Name = [string] $item.Name; DefaultOutboundAction = [string] $item.DefaultOutboundAction }
            }
        )
    }
    foreach ($part in 'Reserved', 'Released', 'OwnedRanges', 'OwnedRangesBefore') {
        $journal[$part] = @(
            foreach ($item in @($read.$part)) {
                $first = [int] $item.First
                $last = [int] $item.Last
                if ($item.Family -notin 'ipv4', 'ipv6' -or $item.Protocol -notin 'tcp', 'udp' -or
                    $first -lt 1 -or $last -lt $first -or $last -gt 65535) {
                    throw "$JournalPath has a range that is not understood"
                }
                [ordered]@{ Family = [string] $item.Family; Protocol = [string] $item.Protocol; First = $first; Last = $last }
            }
        )
    }
    $journal
}

# Writes the journal at once or not at all, and with -Backup the whole firewall before it.
function Save-Journal {
    [CmdletBinding(SupportsShouldProcess)]
    param(
        [Parameter(Mandatory)]
        [System.Collections.IDictionary] $Journal,

        [Parameter()]
        [switch] $Backup
    )
    if (-not $PSCmdlet.ShouldProcess($JournalPath, 'Write journal')) {
        if (-not $WhatIfPreference) {
            throw 'nothing was changed, because there is no change without a journal'
        }
        return
    }
    $folder = Split-Path -Path $JournalPath -Parent
    if (-not (Test-Path -LiteralPath $folder)) {
        $null = New-Item -ItemType Directory -Path $folder -Confirm:$false
        $security = New-Object -TypeName System.Security.AccessControl.DirectorySecurity
        $security.SetSecurityDescriptorSddlForm('O:BAG:BAD:P(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)')
        Set-Acl -LiteralPath $folder -AclObject $security -Confirm:$false
    }
    Assert-TrustedOwner -Path $folder
    $unique = [guid]::NewGuid().ToString()
    $files = @{ $JournalPath = "$JournalPath.$unique" }
    if ($Backup) {
        $export = [System.IO.Path]::ChangeExtension($JournalPath, '.wfw')
        $files[$export] = Join-Path -Path $folder -ChildPath "$unique.wfw"
        $null = Invoke-Netsh -Argument 'advfirewall', 'export', $files[$export]
    }
    [System.IO.File]::WriteAllText($files[$JournalPath], (ConvertTo-Json -InputObject $Journal -Depth 6))
    foreach ($file in @($files.Keys)) {
        if (Test-Path -LiteralPath $file -PathType Leaf) {
            Assert-TrustedOwner -Path $file
            [System.IO.File]::Replace($files[$file], $file, "$file.old")
        }
        else {
            [System.IO.File]::Move($files[$file], $file)
        }
    }
}

if ($FirewallProfile -contains 'Any' -or @($FirewallProfile | Sort-Object -Unique).Count -eq 3) {
    $FirewallProfile = @('Any')
}
$chosen = @('Domain', 'Private', 'Public' | Where-Object -FilterScript { $FirewallProfile -contains 'Any' -or $FirewallProfile -contains $_ })
$suffix = ''
if ($FirewallProfile -notcontains 'Any') {
    $Unsaid['Profile'] = $chosen -join ', '
    $suffix = '-' + ($chosen -join '-').ToLowerInvariant()
}

$wanted = [ordered]@{}
foreach ($rule in $Rules) {
    $record = [ordered]@{
        Name        = $rule['Name'] + $suffix
        DisplayName = $rule['DisplayName']
        Description = $rule['Description']
    }
    foreach ($key in $Said) {
        $record[$key] = if ($rule.ContainsKey($key)) { $rule[$key] } else { $Unsaid[$key] }
    }
    $wanted[$record['Name']] = $record
}

$present = @{}
foreach ($rule in @(Get-GroupRule)) {
    if ($rule.Group -cne $Group) {
        throw "the firewall gave back rule '$($rule.Name)', which is not in the group $Group"
    }
    $present[[string] $rule.Name] = $rule
}
$real = Get-RuleRecord -Rule @($present.Values)

if ($Verify) {
    $differences = @(
        foreach ($name in $wanted.Keys) {
            if (-not $real.ContainsKey($name)) {
                [pscustomobject]@{ Name = $name; Difference = 'is missing' }
                continue
            }
            foreach ($difference in @(Compare-RuleRecord -Wanted $wanted[$name] -Real $real[$name])) {
                [pscustomobject]@{ Name = $name; Difference = $difference }
            }
        }
        foreach ($name in @($real.Keys)) {
            if (-not $wanted.Contains($name)) {
                [pscustomobject]@{ Name = $name; Difference = 'is not in this file' }
            }
        }
        foreach ($one in @(Get-NetFirewallProfile -PolicyStore ActiveStore -ErrorAction Stop)) {
            if ($one.Name -notin $chosen) {
                continue
            }
            if ([string] $one.Enabled -ne 'True') {
                [pscustomobject]@{ Name = $one.Name; Difference = 'profile is off: nothing is blocked' }
            }
            if ([string] $one.DefaultInboundAction -eq 'Allow') {
                [pscustomobject]@{ Name = $one.Name; Difference = 'profile lets in what no rule allows' }
            }
            if ([string] $one.AllowInboundRules -eq 'False') {
                [pscustomobject]@{ Name = $one.Name; Difference = 'profile blocks all that arrives, whatever rules allow' }
            }
            if ([string] $one.AllowLocalFirewallRules -eq 'False') {
                [pscustomobject]@{ Name = $one.Name; Difference = 'profile ignores local rules' }
            }
            if ($Outbound -eq 'Block' -and [string] $one.DefaultOutboundAction -ne 'Block') {
                [pscustomobject]@{ Name = $one.Name; Difference = 'profile lets out what no rule allows: see -BlockOutbound' }
            }
            if ($Outbound -ne 'Block' -and [string] $one.DefaultOutboundAction -eq 'Block') {
                [pscustomobject]@{ Name = $one.Name; Difference = 'profile blocks what leaves, and this file says nothing of that' }
            }
        }
    )
    try {
        foreach ($rule in @(Get-NetFirewallRule -PolicyStore ActiveStore -Enabled True -Action Block -ErrorAction Stop)) {
            Write-Warning -Message "block rule '$($rule.DisplayName)' beats every allow rule where both match"
        }
    }
    catch {
        if ($_.CategoryInfo.Category -ne [System.Management.Automation.ErrorCategory]::ObjectNotFound) {
            throw
        }
    }
    $differences
    if ($differences.Count -gt 0) {
        throw "$($differences.Count) differences between this file and the firewall"
    }
    return
}

$JournalPath = $PSCmdlet.GetUnresolvedProviderPathFromPSPath($JournalPath)
$journal = Import-Journal
$actions = Get-OutboundAction

# What is to be done.
$add = @()
$clear = @()
$loosen = @()
$tighten = @()
$reserve = @()
$release = @()

if ($Rollback) {
    if (-not (Test-Path -LiteralPath $JournalPath -PathType Leaf)) {
        throw "there is no journal at ${JournalPath}: nothing can be undone"
    }
    $restored = @($journal['Removed'] | ForEach-Object -Process { $_['Name'] })
    $add = @(
        foreach ($record in $journal['Removed']) {
            $name = $record['Name']
            if (-not $real.ContainsKey($name) -or @(Compare-RuleRecord -Wanted $record -Real $real[$name]).Count -gt 0) {
                $record
            }
        }
    )
    $clear = @($journal['Created'] | Where-Object -FilterScript { $real.ContainsKey($_) -and $_ -notin $restored })
    $changed = @($journal['Profiles'] | Where-Object -FilterScript { $actions[$_['Name']] -ne $_['DefaultOutboundAction'] })
    $loosen = @($changed | Where-Object -FilterScript { $_['DefaultOutboundAction'] -ne 'Block' })
    $tighten = @($changed | Where-Object -FilterScript { $_['DefaultOutboundAction'] -eq 'Block' })
    $release = @($journal['Reserved'] | Where-Object -FilterScript { Test-Exclusion -Entry $_ })
    $reserve = @($journal['Released'] | Where-Object -FilterScript { -not (Test-Exclusion -Entry $_) })
}
else {
    # Before the first change: all that is in the group must be ours.
    Assert-OwnName -Name @($present.Keys)
    if ($Remove) {
        $clear = @($present.Keys | Sort-Object)
        $loosen = @($journal['OwnedProfiles'] | Where-Object -FilterScript { $actions[$_['Name']] -eq 'Block' })
        $release = @($journal['OwnedRanges'] | Where-Object -FilterScript { Test-Exclusion -Entry $_ })
    }
    else {
        $add = @(
            foreach ($record in $wanted.Values) {
                $name = $record['Name']
                if (-not $real.ContainsKey($name) -or @(Compare-RuleRecord -Wanted $record -Real $real[$name]).Count -gt 0) {
                    $record
                }
            }
        )
        $clear = @($present.Keys | Where-Object -FilterScript { -not $wanted.Contains($_) } | Sort-Object)
        if ($BlockOutbound) {
            if ($Outbound -ne 'Block') {
                throw 'this file says nothing of what leaves, and with -BlockOutbound nothing would leave'
            }
            $tighten = @(
                foreach ($name in $chosen) {
                    if ($actions[$name] -ne 'Block') {
                        [ordered]@{ Name = $name; DefaultOutboundAction = 'Block' }
                    }
                }
            )
        }
        if ($ReservePorts) {
            $reserve = @(Get-WantedExclusion)
        }
    }
    $removed = @(
        foreach ($name in @($add | ForEach-Object -Process { $_['Name'] }) + $clear) {
            if ($real.ContainsKey($name)) {
                $real[$name]
            }
        }
    )
    $profilesBefore = @(
        foreach ($entry in $loosen + $tighten) {
            [ordered]@{ Name = $entry['Name']; DefaultOutboundAction = $actions[$entry['Name']] }
        }
    )
    $ownedNames = @($journal['OwnedProfiles'] | ForEach-Object -Process { $_['Name'] })
    $next = [ordered]@{
        Version             = 1
        Written             = [System.DateTime]::UtcNow.ToString('yyyy-MM-dd HH:mm:ss', [System.Globalization.CultureInfo]::InvariantCulture)
        Created             = @($add | ForEach-Object -Process { $_['Name'] })
        Removed             = $removed
        Profiles            = $profilesBefore
        Reserved            = $reserve
        Released            = $release
        OwnedProfiles       = @(if (-not $Remove) { $journal['OwnedProfiles'] + @($profilesBefore | Where-Object -FilterScript { $_['Name'] -notin $ownedNames }) })
        OwnedProfilesBefore = $journal['OwnedProfiles']
        OwnedRanges         = @(if (-not $Remove) { $journal['OwnedRanges'] + $reserve })
        OwnedRangesBefore   = $journal['OwnedRanges']
    }
}

$count = $add.Count + $clear.Count + $loosen.Count + $tighten.Count + $reserve.Count + $release.Count
if ($count -gt 0 -and -not $Rollback) {
    Save-Journal -Journal $next -Backup
}

# Loosen, create, remove, tighten: what stays open is never closed in between.
foreach ($entry in $loosen) {
    Edit-OutboundAction -Entry $entry
}
foreach ($record in $add) {
    if ($present.ContainsKey($record['Name'])) {
        Clear-GroupRule -Rule $present[$record['Name']]
    }
    Add-GroupRule -Record $record
}
foreach ($name in $clear) {
    Clear-GroupRule -Rule $present[$name]
}
foreach ($entry in $tighten) {
    Edit-OutboundAction -Entry $entry
}
foreach ($entry in $release) {
    Edit-ExcludedRange -Verb 'delete' -Entry $entry
}
foreach ($entry in $reserve) {
    Edit-ExcludedRange -Verb 'add' -Entry $entry
}

if ($Rollback -and $count -gt 0) {
    Save-Journal -Journal ([ordered]@{
            Version             = 1
            Written             = [System.DateTime]::UtcNow.ToString('yyyy-MM-dd HH:mm:ss', [System.Globalization.CultureInfo]::InvariantCulture)
            Created             = @()
            Removed             = @()
            Profiles            = @()
            Reserved            = @()
            Released            = @()
            OwnedProfiles       = $journal['OwnedProfilesBefore']
            OwnedProfilesBefore = $journal['OwnedProfilesBefore']
            OwnedRanges         = $journal['OwnedRangesBefore']
            OwnedRangesBefore   = $journal['OwnedRangesBefore']
        })
}
if ($Remove -and @($actions.Keys | Where-Object -FilterScript { $actions[$_] -eq 'Block' -and $_ -notin @($loosen | ForEach-Object -Process { $_['Name'] }) }).Count -gt 0) {
    Write-Warning -Message 'a profile still blocks what leaves and no rule allows; that was not set by this script'
}
if (-not $Remove -and -not $Rollback -and $Outbound -eq 'Block' -and -not $BlockOutbound) {
    foreach ($name in $chosen) {
        if ($actions[$name] -ne 'Block') {
            Write-Warning -Message "profile ${name}: the outbound rules have no effect until its default outbound action is Block, see -BlockOutbound"
        }
    }
}
$word = if ($WhatIfPreference) { 'changes to make' } else { 'changes' }
[pscustomobject]@{ Action = 'Summary'; Name = $Group; Detail = "$count $word" }
