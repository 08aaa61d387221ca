#Requires -Version 5.1
#Requires -Modules @{ ModuleName = 'Pester'; ModuleVersion = '5.0.0' }
#Requires -RunAsAdministrator
<#
.SYNOPSIS
Tries portolan.ps1 on a real Windows, in a virtual machine that may be thrown away.

.DESCRIPTION
Those who made portolan.ps1 have not run it on Windows; this file is how you do. It creates
and removes rules of the group 'Portolan', and looks after each step at what the firewall
really has. A group that is not empty, or a machine on which nobody said that it may be
changed, is left alone: set $env:PORTOLAN_TEST_MACHINE to yes first. It does not use
-BlockOutbound, which could end your own session, nor -ReservePorts.

.EXAMPLE
$env:PORTOLAN_TEST_MACHINE = 'yes'; Invoke-Pester -Path .\portolan.Tests.ps1 -Output Detailed
#>
# portolan 0.1.0

BeforeAll {
    $File = Join-Path -Path $PSScriptRoot -ChildPath 'portolan.ps1'
    $Journal = Join-Path -Path ([System.IO.Path]::GetTempPath()) -ChildPath "portolan-$([guid]::NewGuid())\journal.json"
    $Store = 'PersistentStore'

    if ($env:PORTOLAN_TEST_MACHINE -ne 'yes') {
        throw 'set $env:PORTOLAN_TEST_MACHINE to yes on a machine that may be changed'
    }

    function Get-OwnRule {
        @(Get-NetFirewallRule -PolicyStore $Store | Where-Object -Property Group -EQ -Value 'Portolan')
    }

    # All that others have, as one text.
    function Get-OtherRule {
        $others = Get-NetFirewallRule -PolicyStore $Store | Where-Object -Property Group -NE -Value 'Portolan'
        ($others | ForEach-Object -Process { '{0} {1} {2} {3} {4}' -f $_.Name, $_.Enabled, $_.Direction, $_.Action, $_.Profile } | Sort-Object) -join "`n"
    }

    function Get-OwnText {
        (Get-OwnRule | ForEach-Object -Process { '{0} {1} {2} {3} {4}' -f $_.Name, $_.Enabled, $_.Direction, $_.Action, $_.Profile } | Sort-Object) -join "`n"
    }

    # The data block, as PowerShell's own parser reads it and without running it.
    $problems = $null
    $tokens = $null
    $tree = [System.Management.Automation.Language.Parser]::ParseFile($File, [ref] $tokens, [ref] $problems)
    $block = $tree.Find({
            param($node)
            $node -is [System.Management.Automation.Language.AssignmentStatementAst] -and $node.Left.Extent.Text -eq '$Rules'
        }, $true)
    $Data = @($block.Right.Expression.SafeGetValue())
    $Before = Get-OtherRule

    if (@(Get-OwnRule).Count -gt 0) {
        throw 'the group Portolan is not empty: run portolan.ps1 -Remove first'
    }
}

AfterAll {
    if ($env:PORTOLAN_TEST_MACHINE -eq 'yes' -and @(Get-OwnRule).Count -gt 0) {
        $null = & $File -Remove -JournalPath $Journal -Confirm:$false
    }
    if (Test-Path -LiteralPath (Split-Path -Path $Journal -Parent)) {
        Remove-Item -LiteralPath (Split-Path -Path $Journal -Parent) -Recurse -Force
    }
}

Describe 'portolan.ps1' {
    It 'has no error for the parser of PowerShell' {
        $problems | Should -BeNullOrEmpty
        $Data.Count | Should -BeGreaterThan 0
    }

    It 'changes nothing with -WhatIf' {
        $null = & $File -WhatIf -JournalPath $Journal
        @(Get-OwnRule).Count | Should -Be 0
        Test-Path -LiteralPath $Journal | Should -BeFalse
    }

    It 'fails with -Verify while the rules are missing' {
        { & $File -Verify 3> $null } | Should -Throw
    }

    It 'creates exactly the rules of the data block' {
        $null = & $File -JournalPath $Journal 3> $null
        @(Get-OwnRule | ForEach-Object -Process { $_.Name } | Sort-Object) | Should -Be @($Data | ForEach-Object -Process { $_.Name } | Sort-Object)
        Test-Path -LiteralPath $Journal | Should -BeTrue
        Test-Path -LiteralPath ([System.IO.Path]::ChangeExtension($Journal, '.wfw')) | Should -BeTrue
    }

    It 'says the same protocol and ports as the data block' {
        foreach ($rule in Get-OwnRule) {
            $said = $Data | Where-Object -FilterScript { $_.Name -eq $rule.Name }
            $filter = $rule | Get-NetFirewallPortFilter
            $filter.Protocol | Should -Be $said['Protocol']
            [string] $rule.Direction | Should -Be $said['Direction']
            if ($said.ContainsKey('LocalPort')) {
                @($filter.LocalPort | Sort-Object) | Should -Be @($said['LocalPort'] | Sort-Object)
            }
            if ($said.ContainsKey('RemotePort')) {
                @($filter.RemotePort | Sort-Object) | Should -Be @($said['RemotePort'] | Sort-Object)
            }
        }
    }

    It 'finds nothing to change the second time' {
        $text = Get-OwnText
        $written = (Get-Item -LiteralPath $Journal).LastWriteTimeUtc
        $out = @(& $File -JournalPath $Journal 3> $null)
        $out.Count | Should -Be 1
        $out[0].Detail | Should -Be '0 changes'
        Get-OwnText | Should -Be $text
        (Get-Item -LiteralPath $Journal).LastWriteTimeUtc | Should -Be $written
    }

    It 'passes -Verify as far as the rules go' {
        $found = @()
        try {
            & $File -Verify 3> $null | ForEach-Object -Process { $found += $_ }
        }
        catch {
            $found.Count | Should -BeGreaterThan 0
        }
        @($found | Where-Object -FilterScript { $_.Name -like 'PL-*' }).Count | Should -Be 0
    }

    It 'sees and mends a change by hand' {
        $rule = @(Get-OwnRule)[0]
        Set-NetFirewallRule -Name $rule.Name -PolicyStore $Store -Enabled False
        { & $File -Verify 3> $null } | Should -Throw
        $null = & $File -JournalPath $Journal 3> $null
        [string] (Get-NetFirewallRule -Name $rule.Name -PolicyStore $Store).Enabled | Should -Be 'True'
    }

    It 'undoes the last run, and only once' {
        $null = & $File -Rollback -JournalPath $Journal
        @(Get-OwnRule | Where-Object -FilterScript { [string] $_.Enabled -eq 'False' }).Count | Should -Be 1
        $out = @(& $File -Rollback -JournalPath $Journal)
        $out[-1].Detail | Should -Be '0 changes'
        @(Get-OwnRule).Count | Should -Be $Data.Count
    }

    It 'removes its rules with -Remove, and -Rollback brings them back' {
        $null = & $File -Remove -JournalPath $Journal 3> $null
        @(Get-OwnRule).Count | Should -Be 0
        $null = & $File -Rollback -JournalPath $Journal
        @(Get-OwnRule).Count | Should -Be $Data.Count
        $null = & $File -Remove -JournalPath $Journal 3> $null
    }

    It 'opens the ports in one profile when told so' {
        $null = & $File -Profile Domain -JournalPath $Journal 3> $null
        @(Get-OwnRule | Where-Object -FilterScript { [string] $_.Profile -ne 'Domain' }).Count | Should -Be 0
        $null = & $File -Remove -JournalPath $Journal 3> $null
    }

    It 'has not touched the rules of others' {
        Get-OtherRule | Should -Be $Before
    }
}
