@echo off
setlocal EnableExtensions DisableDelayedExpansion
rem Opens this host's service ports in Windows Firewall with netsh, for hosts without
rem PowerShell; everywhere else use portolan.ps1.
rem
rem   portolan.cmd                  creates the rules, then removes those of an earlier run
rem   portolan.cmd block-outbound   the same, then blocks what leaves and no rule allows
rem   portolan.cmd check            changes nothing, looks whether each rule is there
rem   portolan.cmd remove           removes the rules
rem
rem Exit codes: 0 fine, 1 failed or something is missing, 2 wrong words, 5 no rights.
rem
rem Inbound traffic that no rule allows is blocked by default, replies and loopback pass. A
rem block rule of anybody beats every rule here. THIS FILE WAS NOT TRIED ON A REAL WINDOWS.
rem netsh has no groups and speaks the language of the host: a rule is known by its name,
rem which holds a hash of its content, so check sees a rule that is gone and not one that
rem was changed by hand. The names of the last run are in ProgramData\Portolan\names.txt;
rem where that file is lost, rules of an earlier run stay: look for names with PL-. Before
rem its first change a run exports the whole firewall to before.wfw beside it.
rem Outbound rules have an effect only while the profiles block what leaves, and that is
rem for all rules of the host, so only block-outbound does it, and remove leaves it: see
rem netsh advfirewall set allprofiles firewallpolicy blockinbound,allowoutbound
rem
rem portolan 0.1.0
rem policy: portolan.hcl
rem made from:
rem   etc/lumenvox/media_server.conf
rem   etc/ssh/sshd_config
rem to keep the dynamic ports of Windows out of the services' ranges, where they meet:
rem   netsh int ipv4 add excludedportrange protocol=tcp startport=20000 numberofports=5000 store=persistent
rem   netsh int ipv6 add excludedportrange protocol=tcp startport=20000 numberofports=5000 store=persistent
rem   netsh int ipv4 add excludedportrange protocol=udp startport=10000 numberofports=500 store=persistent
rem   netsh int ipv6 add excludedportrange protocol=udp startport=10000 numberofports=500 store=persistent
rem   netsh int ipv4 add excludedportrange protocol=udp startport=25000 numberofports=501 store=persistent
rem   netsh int ipv6 add excludedportrange protocol=udp startport=25000 numberofports=501 store=persistent
set "PL_OUTBOUND=block"

set "PATH=%SystemRoot%\System32"
set "NoDefaultCurrentDirectoryInExePath=1"
set "PL_DIR=%ProgramData%\Portolan"
set "PL_NAMES=%PL_DIR%\names.txt"
set "PL_CURRENT=%PL_DIR%\current.txt"
set "PL_SAVED="
set "PL_FAILED="
set /a PL_CHANGES=0
if not "%~2"=="" goto usage
if "%~1"=="" goto apply
if /i "%~1"=="block-outbound" goto apply
if /i "%~1"=="check" goto check
if /i "%~1"=="remove" goto remove
:usage
echo usage: portolan.cmd [block-outbound, check or remove]
exit /b 2

:apply
if /i not "%~1"=="block-outbound" goto ready
if "%PL_OUTBOUND%"=="block" goto ready
echo portolan: this file says nothing of what leaves, and with block-outbound nothing would leave
exit /b 2
:ready
call :admin
if errorlevel 1 exit /b 5
call :folder
if errorlevel 1 exit /b 1
call :rules add
rem Create before remove, and nothing is removed when something could not be created.
if defined PL_FAILED goto failed
call :stale
if defined PL_FAILED goto failed
move /y "%PL_CURRENT%" "%PL_NAMES%" >nul
if errorlevel 1 goto failed
if not "%PL_OUTBOUND%"=="block" goto done
if /i "%~1"=="block-outbound" goto outbound
echo portolan: outbound rules have no effect until the profiles block what leaves, see block-outbound
goto done
:outbound
netsh.exe advfirewall set allprofiles firewallpolicy blockinbound,blockoutbound >nul
if errorlevel 1 goto failed
goto done

:check
call :rules look
if defined PL_FAILED exit /b 1
echo portolan: every rule of this file is there
exit /b 0

:remove
call :admin
if errorlevel 1 exit /b 5
call :folder
if errorlevel 1 exit /b 1
call :rules clear
call :stale
if defined PL_FAILED goto failed
if exist "%PL_NAMES%" del "%PL_NAMES%"
del "%PL_CURRENT%"
if "%PL_OUTBOUND%"=="block" echo portolan: what leaves may still be blocked, see the first lines of this file
goto done

:done
echo portolan: %PL_CHANGES% changes
exit /b 0

:failed
echo portolan: failed after %PL_CHANGES% changes; run it again when the cause is gone
exit /b 1

:rules
call :%1 PL-icmp-25ba6a1fdd27 "dir=in action=allow protocol=icmpv4:3,any remoteip=any profile=any enable=yes"
call :%1 PL-icmp-25226bac2285 "dir=in action=allow protocol=icmpv4:8,any remoteip=any profile=any enable=yes"
call :%1 PL-icmp-13479279e28d "dir=in action=allow protocol=icmpv4:11,any remoteip=any profile=any enable=yes"
call :%1 PL-icmp-c63659a1be95 "dir=in action=allow protocol=icmpv4:12,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-04dc7ffc4005 "dir=in action=allow protocol=icmpv6:1,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-ef7969b55d1b "dir=in action=allow protocol=icmpv6:2,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-458a3fe2cdf6 "dir=in action=allow protocol=icmpv6:3,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-bcc4353bd703 "dir=in action=allow protocol=icmpv6:4,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-6c5efa8d40a8 "dir=in action=allow protocol=icmpv6:128,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-bb8d555c2174 "dir=in action=allow protocol=icmpv6:129,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-5c6a19a5563c "dir=in action=allow protocol=icmpv6:130,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-c4ca3e475390 "dir=in action=allow protocol=icmpv6:131,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-2c11ea5050e7 "dir=in action=allow protocol=icmpv6:132,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-81eddf975d9c "dir=in action=allow protocol=icmpv6:133,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-4c8ebbfcf207 "dir=in action=allow protocol=icmpv6:134,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-b35cea30158a "dir=in action=allow protocol=icmpv6:135,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-e6ae19094729 "dir=in action=allow protocol=icmpv6:136,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-bc4d8a6ef156 "dir=in action=allow protocol=icmpv6:143,any remoteip=any profile=any enable=yes"
call :%1 PL-dhcp-9f4cbe9b353f "dir=in action=allow protocol=udp localport=68 remoteip=0.0.0.0/1,128.0.0.0/1 profile=any enable=yes"
call :%1 PL-dhcpv6-11be0273e592 "dir=in action=allow protocol=udp localport=546 remoteip=::2-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff profile=any enable=yes"
call :%1 PL-speech-0fc1f36d4371 "dir=in action=allow protocol=tcp localport=554 remoteip=10.20.0.0/16,2001:db8:20::/48 profile=any enable=yes"
call :%1 PL-speech-81f1153d9f4e "dir=in action=allow protocol=tcp localport=20000-24999 remoteip=10.20.0.0/16,2001:db8:20::/48 profile=any enable=yes"
call :%1 PL-speech-ad3f064871f6 "dir=in action=allow protocol=udp localport=25000-25399 remoteip=any profile=any enable=yes"
call :%1 PL-speech-139799c2eb39 "dir=in action=allow protocol=udp localport=5060 remoteip=10.20.0.0/16,2001:db8:20::/48 profile=any enable=yes"
call :%1 PL-trunks-af540cff3ed6 "dir=in action=allow protocol=udp localport=5060,5080 remoteip=192.0.2.0/24,198.51.100.7,198.51.100.64/26,203.0.113.5-203.0.113.77,2001:db8:7::/64,2001:db8:9::1 profile=any enable=yes"
call :%1 PL-trunks-c7725c6412c4 "dir=in action=allow protocol=udp localport=10000-10499,25300-25500 remoteip=192.0.2.0/24,198.51.100.7,198.51.100.64/26,203.0.113.5-203.0.113.77,2001:db8:7::/64,2001:db8:9::1 profile=any enable=yes"
call :%1 PL-web-b05ffdfd2b9b "dir=in action=allow protocol=tcp localport=80,443 remoteip=any profile=any enable=yes"
call :%1 PL-ssh-188d9c787be1 "dir=in action=allow protocol=tcp localport=22 remoteip=10.1.0.0/24,2001:db8:1::/48 profile=any enable=yes"
call :%1 PL-ntp-2792497c109d "dir=in action=allow protocol=udp localport=123 remoteport=123 remoteip=10.1.0.1 profile=any enable=yes"
call :%1 PL-icmp-e7a0f557b1fd "dir=out action=allow protocol=icmpv4:3,any remoteip=any profile=any enable=yes"
call :%1 PL-icmp-6e4b9c8d4e66 "dir=out action=allow protocol=icmpv4:8,any remoteip=any profile=any enable=yes"
call :%1 PL-icmp-716b55e85ef1 "dir=out action=allow protocol=icmpv4:11,any remoteip=any profile=any enable=yes"
call :%1 PL-icmp-cec2e379c41e "dir=out action=allow protocol=icmpv4:12,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-6fa2168aaf67 "dir=out action=allow protocol=icmpv6:1,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-eebfb3de3486 "dir=out action=allow protocol=icmpv6:2,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-205db3af7af0 "dir=out action=allow protocol=icmpv6:3,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-6780708cfbab "dir=out action=allow protocol=icmpv6:4,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-2ec6430f29d5 "dir=out action=allow protocol=icmpv6:128,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-3db9383b105f "dir=out action=allow protocol=icmpv6:129,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-9cb6c7a72e19 "dir=out action=allow protocol=icmpv6:130,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-4fff216a33c0 "dir=out action=allow protocol=icmpv6:131,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-3342603c1200 "dir=out action=allow protocol=icmpv6:132,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-a350ed4e1584 "dir=out action=allow protocol=icmpv6:133,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-877c56094348 "dir=out action=allow protocol=icmpv6:134,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-52181e790b12 "dir=out action=allow protocol=icmpv6:135,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-781f60f3aee7 "dir=out action=allow protocol=icmpv6:136,any remoteip=any profile=any enable=yes"
call :%1 PL-icmpv6-c32a4c38c0d0 "dir=out action=allow protocol=icmpv6:143,any remoteip=any profile=any enable=yes"
call :%1 PL-dhcp-5892846c3dee "dir=out action=allow protocol=udp remoteport=68 remoteip=0.0.0.0/1,128.0.0.0/1 profile=any enable=yes"
call :%1 PL-dhcpv6-190e4107ecf2 "dir=out action=allow protocol=udp remoteport=546 remoteip=::2-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff profile=any enable=yes"
call :%1 PL-dns-b099fba13d8e "dir=out action=allow protocol=udp remoteport=53 remoteip=10.1.0.53 profile=any enable=yes"
call :%1 PL-dns-617a812e8fb2 "dir=out action=allow protocol=tcp remoteport=53 remoteip=10.1.0.53 profile=any enable=yes"
call :%1 PL-licence-6bdd75ebdc80 "dir=out action=allow protocol=tcp remoteport=7569 remoteip=10.1.0.0/24 profile=any enable=yes"
call :%1 PL-media-70be8b872179 "dir=out action=allow protocol=udp localport=25000-25399 remoteip=10.20.0.0/16,2001:db8:20::/48 profile=any enable=yes"
exit /b 0

:admin
fltmc.exe >nul 2>&1
if not errorlevel 1 exit /b 0
echo portolan: run this as an administrator
exit /b 1

rem A redirection that fails sets no errorlevel, so what was written is looked for.
:folder
if exist "%PL_DIR%\" goto fresh
mkdir "%PL_DIR%"
if errorlevel 1 goto broken
icacls.exe "%PL_DIR%" /inheritance:r /grant:r *S-1-5-32-544:(OI)(CI)F *S-1-5-18:(OI)(CI)F >nul
if errorlevel 1 goto broken
:fresh
if exist "%PL_CURRENT%" del "%PL_CURRENT%"
if exist "%PL_CURRENT%" goto broken
type nul >"%PL_CURRENT%"
if not exist "%PL_CURRENT%" goto broken
exit /b 0

:save
if defined PL_SAVED exit /b 0
if exist "%PL_DIR%\before.wfw" del "%PL_DIR%\before.wfw"
netsh.exe advfirewall export "%PL_DIR%\before.wfw" >nul
if errorlevel 1 goto broken
set "PL_SAVED=1"
exit /b 0

:broken
echo portolan: netsh or a file in %PL_DIR% failed
set "PL_FAILED=1"
exit /b 1

:add
if defined PL_FAILED exit /b 1
>>"%PL_NAMES%" echo %1
if not exist "%PL_NAMES%" goto broken
>>"%PL_CURRENT%" echo %1
netsh.exe advfirewall firewall show rule name="%~1" >nul 2>&1
if not errorlevel 1 exit /b 0
call :save
if errorlevel 1 exit /b 1
netsh.exe advfirewall firewall add rule name="%~1" %~2 >nul
if errorlevel 1 goto broken
echo created %~1
set /a PL_CHANGES+=1
exit /b 0

:look
netsh.exe advfirewall firewall show rule name="%~1" >nul 2>&1
if not errorlevel 1 exit /b 0
echo missing %~1
set "PL_FAILED=1"
exit /b 1

:clear
netsh.exe advfirewall firewall show rule name="%~1" >nul 2>&1
if errorlevel 1 exit /b 0
call :save
if errorlevel 1 exit /b 1
netsh.exe advfirewall firewall delete rule name="%~1" >nul
if errorlevel 1 goto broken
echo removed %~1
set /a PL_CHANGES+=1
exit /b 0

rem Only names of ours pass, so nothing else is ever deleted, and all is not such a name.
:stale
if not exist "%PL_NAMES%" exit /b 0
findstr.exe /r /c:"^PL-[abcdefghijklmnopqrstuvwxyz0123456789_]*-[abcdef0123456789]*$" "%PL_NAMES%" >"%PL_DIR%\known.txt"
for /f "usebackq delims=" %%N in ("%PL_DIR%\known.txt") do (
    findstr.exe /x /l /c:"%%N" "%PL_CURRENT%" >nul || call :clear %%N
)
del "%PL_DIR%\known.txt"
exit /b 0
