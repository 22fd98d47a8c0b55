# What the tests share: where they work, how they assert a refusal, and how they become somebody else.

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
# A test looks at the exit code itself.
$PSNativeCommandUseErrorActionPreference = $false

if (-not $env:MMAPSNAPSHOT_MODULE) { throw 'MMAPSNAPSHOT_MODULE must be the path of the staged MmapSnapshot.psd1.' }
if (-not (Get-Module -Name MmapSnapshot)) { Import-Module -Name $env:MMAPSNAPSHOT_MODULE -Global }

Import-Module -Name "$PSScriptRoot/../support/Packages.psm1", "$PSScriptRoot/../support/PowerShellProcess.psm1"

# The user without privileges: "nobody" by convention.
$nobody = 65534

# The category that goes with each id, as about_MmapSnapshot_Errors tells users.
$categories = @{
    FileNotFound              = 'ObjectNotFound'
    NotARegularFile           = 'InvalidType'
    AccessDenied              = 'PermissionDenied'
    SourceChanging            = 'ResourceBusy'
    TooLarge                  = 'LimitsExceeded'
    SnapshotClosed            = 'InvalidOperation'
    ReadOnlySnapshot          = 'InvalidOperation'
    OutOfRange                = 'InvalidArgument'
    InvalidBytes              = 'InvalidArgument'
    ExpectationFailed         = 'InvalidData'
    InvalidPatch              = 'InvalidData'
    OverlappingChanges        = 'InvalidArgument'
    DuplicateTarget            = 'InvalidArgument'
    LengthMismatch            = 'InvalidArgument'
    JournalConflict           = 'InvalidData'
    JournalInvalid            = 'InvalidData'
    NoSpace                   = 'ResourceUnavailable'
    ReadFailed                = 'ReadError'
    WriteFailed               = 'WriteError'
    SnapshotConflict          = 'ResourceExists'
    SnapshotLost              = 'ResourceUnavailable'
    HardLinked                = 'InvalidOperation'
    OwnerNotPreservable       = 'PermissionDenied'
    AttributesNotPreservable  = 'PermissionDenied'
    DestinationExists         = 'ResourceExists'
    SaveInProgress            = 'ResourceBusy'
    TooManyOpenFiles          = 'LimitsExceeded'
    UntrustedLink             = 'SecurityError'
    NotSupported              = 'NotImplemented'
    # PowerShell's own, before a cmdlet sees anything.
    InputObjectNotBound       = 'InvalidArgument'
    ParameterArgumentTransformationError = 'InvalidData'
    ParameterArgumentValidationError = 'InvalidData'
    CannotConvertArgumentNoMessage = 'InvalidArgument'
    AmbiguousParameterSet     = 'InvalidArgument'
}

$pwsh = @(Get-PowerShellCommand)

# The same for the user without privileges, who may not be able to read this one: a copy, made when a test needs it, and removed with
# this module.
$copyForNobody = Join-Path ([System.IO.Path]::GetTempPath()) ('mmapsnapshot-pwsh-' + [guid]::NewGuid().ToString('N'))
$pwshOfNobody = @()
function Get-PowerShellCommandOfNobody {
    if ($pwshOfNobody.Count -eq 0) { $script:pwshOfNobody = @(Copy-PowerShell -Destination $copyForNobody) }
    $pwshOfNobody
}
$ExecutionContext.SessionState.Module.OnRemove = { if (Test-Path -LiteralPath $copyForNobody) { Remove-Item -LiteralPath $copyForNobody -Recurse -Force } }

<#
.SYNOPSIS
    The real filesystems below $env:MMAPSNAPSHOT_RIG, for -ForEach: Name, Mount, Mounted, Reflink, and Label, which says so
    when it is not mounted.
#>
function Get-TestFileSystem {
    [CmdletBinding()]
    [OutputType([hashtable])]
    param([string[]] $Name = @('xfs', 'xfs-exchange', 'btrfs', 'ext4', 'tmpfs', 'overlay-ext4', 'overlay-xfs'))

    foreach ($one in $Name) {
        $mount = if ($env:MMAPSNAPSHOT_RIG) { Join-Path $env:MMAPSNAPSHOT_RIG $one } else { "/nowhere/$one" }
        $mounted = Test-Path -LiteralPath $mount -PathType Container
        @{
            Name    = $one
            Mount   = $mount
            Mounted = $mounted
            Reflink = $one -in 'xfs', 'xfs-exchange', 'btrfs', 'overlay-xfs'
            Label   = if ($mounted) { $one } else { "$one (not mounted)" }
        }
    }
}

<#
.SYNOPSIS
    Why a test cannot run here, or nothing: it needs root, or programs that are missing.
#>
function Get-Obstacle {
    [CmdletBinding()]
    [OutputType([string])]
    param([switch] $Root, [string[]] $Program = @())

    $missing = @(Get-MissingProgram $Program)
    if ($Root -and [Environment]::UserName -ne 'root') { 'needs root' }
    elseif ($missing.Count -gt 0) { "needs $($missing -join ', ')" }
}

<#
.SYNOPSIS
    Why no test can run as the user without privileges, or nothing.
#>
function Get-NobodyObstacle {
    [CmdletBinding()]
    [OutputType([string])]
    param()

    Get-Obstacle -Root -Program setpriv
}

<#
.SYNOPSIS
    Skips the test it is called from, and says why, if there is an obstacle.
#>
function Skip-When {
    [CmdletBinding()]
    param([Parameter(Position = 0)] [AllowEmptyString()] [AllowNull()] [string] $Obstacle)

    if ($Obstacle) { Set-ItResult -Skipped -Because $Obstacle }
}

<#
.SYNOPSIS
    Makes an empty folder, on a filesystem or in the temporary folder, that other users may write to; returns its path.
#>
function New-Workspace {
    [CmdletBinding(SupportsShouldProcess)]
    [OutputType([string])]
    param([string] $On = [System.IO.Path]::GetTempPath())

    $path = Join-Path $On ('pester-' + [guid]::NewGuid().ToString('N'))
    if (-not $PSCmdlet.ShouldProcess($path)) { return }
    [void][System.IO.Directory]::CreateDirectory($path)
    [System.IO.File]::SetUnixFileMode($path, 511) # 0777
    $path
}

<#
.SYNOPSIS
    Closes the snapshots of a workspace and removes it; fails if a temporary name of a save was left there.
#>
function Remove-Workspace {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Mandatory)] [string] $Path)

    if (-not $PSCmdlet.ShouldProcess($Path)) { return }
    Get-MmapSnapshot | Where-Object { $_.Path.StartsWith("$Path/") } | Close-MmapSnapshot -Force
    $left = @([System.IO.Directory]::EnumerateFileSystemEntries($Path, '*', 'AllDirectories') | Where-Object { $_ -like '*.mmap-snapshot' })
    Remove-Item -LiteralPath $Path -Recurse -Force
    if ($left.Count -gt 0) { throw "A save left a temporary name behind: $($left -join ', ')" }
}

<#
.SYNOPSIS
    Writes a file, by default of the bytes 00 to FF in order, and returns its path.
#>
function New-TestFile {
    [CmdletBinding(SupportsShouldProcess)]
    [OutputType([string])]
    param(
        [Parameter(Mandatory, Position = 0)] [string] $Path,
        [Parameter(Position = 1)] [byte[]] $Bytes = 0..255,
        [string] $Text
    )

    if (-not $PSCmdlet.ShouldProcess($Path)) { return }
    if ($PSBoundParameters.ContainsKey('Text')) { [System.IO.File]::WriteAllText($Path, $Text) } else { [System.IO.File]::WriteAllBytes($Path, $Bytes) }
    $Path
}

<#
.SYNOPSIS
    Makes a file that is one hole, and returns its path.
#>
function New-SparseFile {
    [CmdletBinding(SupportsShouldProcess)]
    [OutputType([string])]
    param([Parameter(Mandatory)] [string] $Path, [Parameter(Mandatory)] [long] $Length)

    if (-not $PSCmdlet.ShouldProcess($Path)) { return }
    $file = [System.IO.File]::Create($Path)
    $file.SetLength($Length)
    $file.Dispose()
    $Path
}

<#
.SYNOPSIS
    Bytes as '48 8B 0F', which a failed assertion shows in a readable way.
#>
# What a save in place leaves that is killed: it has written DE of DE AD at 0 of a file that has 00 01 there.
function New-InterruptedSave {
    [CmdletBinding(SupportsShouldProcess)]
    [OutputType([string])]
    param([Parameter(Mandatory, Position = 0)] [string] $Path)

    if (-not ('MmapSnapshotTests.JournalListener' -as [type])) {
        $engine = [MmapSnapshot.Snapshot].Assembly.Location
        Add-Type -ReferencedAssemblies $engine, 'System.Runtime' -CompilerOptions '-nowarn:CS1701' -TypeDefinition @'
            namespace MmapSnapshotTests
            {
                public sealed class JournalListener : System.IProgress<MmapSnapshot.SnapshotProgress>
                {
                    public string Path;
                    public byte[] Bytes;
                    public void Report(MmapSnapshot.SnapshotProgress value)
                    {
                        if (Bytes == null && System.IO.File.Exists(Path)) Bytes = System.IO.File.ReadAllBytes(Path);
                    }
                }
            }
'@
    }
    $journal = "$(Split-Path $Path)/.$(Split-Path $Path -Leaf).mmap-snapshot-journal"
    if (-not $PSCmdlet.ShouldProcess($Path)) { return }
    $bytes = [System.IO.File]::ReadAllBytes($Path)
    $listener = [MmapSnapshotTests.JournalListener]@{ Path = $journal }
    $saved = [MmapSnapshot.Snapshot]::Open($Path)
    $saved.Write(0, [byte[]](0xDE, 0xAD))
    [void]$saved.Commit([MmapSnapshot.CommitOptions]@{ Method = 'InPlace'; Progress = $listener; Close = $true })
    [System.IO.File]::WriteAllBytes($journal, $listener.Bytes)
    # The file was written to later than the journal got its name.
    [System.Threading.Thread]::Sleep(15)
    $bytes[0] = 0xDE
    [System.IO.File]::WriteAllBytes($Path, $bytes)
    $journal
}

function ConvertTo-HexText {
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory, Position = 0)] [AllowEmptyCollection()] [byte[]] $Bytes)

    [System.BitConverter]::ToString($Bytes).Replace('-', ' ')
}

<#
.SYNOPSIS
    The content of a file as hex text, read by another way than the module's.
#>
function Get-FileHex {
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory, Position = 0)] [string] $Path, [Parameter(Position = 1)] [int] $Offset = 0, [Parameter(Position = 2)] [int] $Count = -1)

    $bytes = [System.IO.File]::ReadAllBytes($Path)
    if ($Count -lt 0) { $Count = $bytes.Length - $Offset }
    [System.BitConverter]::ToString($bytes, $Offset, $Count).Replace('-', ' ')
}

<#
.SYNOPSIS
    Bytes of a snapshot as hex text.
#>
function Get-SnapshotHex {
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory, Position = 0)] $Snapshot, [Parameter(Position = 1)] [long] $Offset = 0, [Parameter(Position = 2)] [Nullable[long]] $Count)

    $range = @{ Offset = $Offset }
    if ($null -ne $Count) { $range.Count = $Count }
    ConvertTo-HexText (Get-SnapshotBytes -Snapshot $Snapshot @range)
}

<#
.SYNOPSIS
    Runs a script and returns the errors it wrote or threw; anything else it returns is dropped.
#>
function Get-ErrorOf {
    [CmdletBinding()]
    [OutputType([System.Management.Automation.ErrorRecord])]
    param([Parameter(Mandatory, Position = 0)] [scriptblock] $Script)

    # The tests stop at errors; this script, which runs in their scope, is to go on.
    $variables = $PSCmdlet.SessionState.PSVariable
    $before = $variables.GetValue('ErrorActionPreference')
    $variables.Set('ErrorActionPreference', 'Continue')
    try {
        & $Script 2>&1 | Where-Object { $_ -is [System.Management.Automation.ErrorRecord] }
    } catch {
        $_
    } finally {
        $variables.Set('ErrorActionPreference', $before)
    }
}

<#
.SYNOPSIS
    Asserts that a script writes exactly one error, of this id, from this cmdlet, about this target; returns the record.
.PARAMETER Cmdlet
    The cmdlet's name, as in Save-Snapshot.
.PARAMETER Target
    What TargetObject must be: a path, or the very snapshot.
.PARAMETER Says
    What the message must contain.
#>
function Assert-SnapshotError {
    [CmdletBinding()]
    [OutputType([System.Management.Automation.ErrorRecord])]
    param(
        [Parameter(Mandatory, Position = 0)] [scriptblock] $Script,
        [Parameter(Mandatory)] [string] $Id,
        [Parameter(Mandatory)] [string] $Cmdlet,
        $Target,
        [string[]] $Says = @(),
        [switch] $PassThru
    )

    $errors = @(Get-ErrorOf $Script)
    if ($errors.Count -ne 1) { throw "Expected the error $Id, but there were $($errors.Count) errors: $($errors -join ' | ')" }
    $record = $errors[0]
    $expected = "$Id,MmapSnapshot.$($Cmdlet.Replace('-', ''))Command"
    if ($record.FullyQualifiedErrorId -cne $expected) { throw "Expected the error id $expected, but got $($record.FullyQualifiedErrorId): $record" }
    if ("$($record.CategoryInfo.Category)" -ne $categories[$Id]) { throw "Expected the category $($categories[$Id]), but got $($record.CategoryInfo.Category): $record" }
    if ($PSBoundParameters.ContainsKey('Target')) {
        $same = if ($Target -is [string]) { $record.TargetObject -ceq $Target } else { [object]::ReferenceEquals($Target, $record.TargetObject) -or ($Target -is [ValueType] -and $Target.Equals($record.TargetObject)) }
        if (-not $same) { throw "Expected the error to be about '$Target', but it is about '$($record.TargetObject)': $record" }
    }
    foreach ($part in $Says) {
        if (-not "$record".Contains($part)) { throw "Expected the message to contain '$part', but it says: $record" }
    }
    if ($PassThru) { $record }
}

<#
.SYNOPSIS
    Asserts that PowerShell refuses an argument before the cmdlet runs, and that the message names the parameter.
#>
function Assert-BindingError {
    [CmdletBinding()]
    param([Parameter(Mandatory, Position = 0)] [scriptblock] $Script, [Parameter(Mandatory)] [string] $Parameter)

    $errors = @(Get-ErrorOf $Script)
    if ($errors.Count -ne 1) { throw "Expected one error, but there were $($errors.Count): $($errors -join ' | ')" }
    if ($errors[0].Exception -isnot [System.Management.Automation.ParameterBindingException]) { throw "Expected an error of parameter binding, but got: $($errors[0])" }
    if (-not "$($errors[0])".Contains("'$Parameter'")) { throw "Expected the message to name the parameter $Parameter, but it says: $($errors[0])" }
}

<#
.SYNOPSIS
    Runs a bash script with $1, $2, ... and returns the lines it printed; a failure fails the test, and a missing program skips it.
#>
function Invoke-Shell {
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory, Position = 0)] [string] $Script, [Parameter(Position = 1, ValueFromRemainingArguments)] [string[]] $Arguments = @())

    # bash calls that function for a program that is missing.
    $prelude = 'command_not_found_handle() { echo "missing program: $1" >&2; return 127; }; set -e -o pipefail'
    $output = bash -c "$prelude; $Script" bash @Arguments 2>&1
    if ($LASTEXITCODE -ne 0) {
        $missing = @(@($output) -match '^missing program: ' -replace '^missing program: ')
        if ($missing) { Skip-When "needs $((Get-MissingProgram $missing) -join ', ')" }
        throw "'$Script' ($Arguments) ended with exit code ${LASTEXITCODE}: $output"
    }
    $output | ForEach-Object { "$_" }
}

<#
.SYNOPSIS
    How a shell starts another PowerShell like this one.
#>
function Get-ProgramOfPowerShell {
    [CmdletBinding()]
    [OutputType([string])]
    param()

    ($pwsh | ForEach-Object { "'$_'" }) -join ' '
}

<#
.SYNOPSIS
    Runs a script in a fresh PowerShell that has the module, and returns what it wrote; errors arrive as objects with the
    properties ErrorId, Category and Message, warnings with the property Warning.
.PARAMETER Arguments
    Strings, for the script's $args.
.PARAMETER As
    Only "Nobody": a user without privileges.
.PARAMETER WithoutModule
    It does not have the module, and finds modules only where a fresh installation does and in -ModulePath.
.PARAMETER HomeFolder
    The user's home, which stays; without it, an empty one that is gone afterwards.
.PARAMETER WithPrinted
    Also return, as objects with the property Printed, the lines that its window would have shown.
#>
function Invoke-FreshPowerShell {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory, Position = 0)] [scriptblock] $Script,
        [Parameter(Position = 1)] [string[]] $Arguments = @(),
        [ValidateSet('', 'Nobody')] [string] $As = '',
        [switch] $WithoutModule,
        [string] $ModulePath = '',
        [string] $HomeFolder = '',
        [switch] $WithPrinted
    )

    # The checkout may lie where the other user cannot look.
    $module = $env:MMAPSNAPSHOT_MODULE
    $scratch = New-Workspace
    try {
        if (-not $HomeFolder) { $HomeFolder = $scratch }
        if ($As -and -not $WithoutModule) {
            Copy-Item -LiteralPath (Split-Path $module) -Destination "$scratch/MmapSnapshot" -Recurse
            chmod -R 'a+rX' "$scratch/MmapSnapshot"
            $module = "$scratch/MmapSnapshot/MmapSnapshot.psd1"
        }
        $quoted = @($Arguments | ForEach-Object { "'" + $_.Replace("'", "''") + "'" }) -join ' '
        $text = @"
Set-StrictMode -Version 3
`$ProgressPreference = 'SilentlyContinue'
$(if (-not $WithoutModule) { "Import-Module -Name '$($module.Replace("'", "''"))'" })
`$output = & {
$Script
} $quoted *>&1 | ForEach-Object {
    if (`$_ -is [System.Management.Automation.ErrorRecord]) {
        [pscustomobject]@{ ErrorId = `$_.FullyQualifiedErrorId; Category = "`$(`$_.CategoryInfo.Category)"; Message = "`$_" }
    } elseif (`$_ -is [System.Management.Automation.WarningRecord]) {
        [pscustomobject]@{ Warning = "`$_" }
    } else { `$_ }
}
'<<<' + (ConvertTo-Json -InputObject @(`$output) -Depth 3 -Compress)
"@
        $command = @(
            if ($As) { 'setpriv'; '--reuid'; $nobody; '--regid'; $nobody; '--clear-groups' }
            # All that a user has is below their home.
            'env', '-u', 'XDG_CACHE_HOME', '-u', 'XDG_DATA_HOME', '-u', 'XDG_CONFIG_HOME'
            if ($WithoutModule -and -not $ModulePath) { '-u', 'PSModulePath' }
            "HOME=$HomeFolder", 'POWERSHELL_TELEMETRY_OPTOUT=1'
            if ($ModulePath) { "PSModulePath=$ModulePath" }
            if ($As) { Get-PowerShellCommandOfNobody } else { $pwsh }
            '-NoProfile', '-NonInteractive', '-OutputFormat', 'Text', '-EncodedCommand', [Convert]::ToBase64String([System.Text.Encoding]::Unicode.GetBytes($text))
        )
        $printed = Invoke-CommandLine $command 2>&1 | ForEach-Object { "$_" }
        $json = $printed | Where-Object { $_.StartsWith('<<<') } | Select-Object -First 1
        if (-not $json) { throw "The other PowerShell gave no answer: $printed" }
        ConvertFrom-Json -InputObject $json.Substring(3) -NoEnumerate | Write-Output
        if ($WithPrinted) {
            $escapes = [regex]"`e\[[0-9;]*m"
            $printed | Where-Object { -not $_.StartsWith('<<<') } | ForEach-Object { [pscustomobject]@{ Printed = $escapes.Replace($_, '') } }
        }
    } finally {
        Remove-Item -LiteralPath $scratch -Recurse -Force
    }
}

<#
.SYNOPSIS
    Runs a script in a runspace of its own that has the module, on another thread, and returns the [powershell] at once.
#>
function Start-Pipeline {
    [CmdletBinding(SupportsShouldProcess)]
    [OutputType([powershell])]
    param([Parameter(Mandatory, Position = 0)] [string] $Script, [Parameter(Position = 1)] [hashtable] $Variables = @{})

    if (-not $PSCmdlet.ShouldProcess('a pipeline')) { return }
    $state = [initialsessionstate]::CreateDefault2()
    $state.ImportPSModule([string[]]$env:MMAPSNAPSHOT_MODULE)
    foreach ($name in $Variables.Keys) {
        $state.Variables.Add([System.Management.Automation.Runspaces.SessionStateVariableEntry]::new($name, $Variables[$name], ''))
    }
    $runspace = [runspacefactory]::CreateRunspace($state)
    $runspace.Open()
    $shell = [powershell]::Create($runspace)
    [void]$shell.AddScript($Script)
    [void]$shell.BeginInvoke()
    $shell
}

<#
.SYNOPSIS
    The open descriptors of this process that lead into a folder.
#>
function Get-DescriptorInto {
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory)] [string] $Path)

    foreach ($entry in [System.IO.Directory]::EnumerateFileSystemEntries('/proc/self/fd')) {
        # One that was closed while we looked has no target.
        $target = try { [System.IO.FileInfo]::new($entry).LinkTarget } catch { $null }
        if ("$target".StartsWith($Path)) { $target }
    }
}

<#
.SYNOPSIS
    Lets the finalizers of everything that is garbage run.
#>
function Invoke-GarbageCollection {
    [CmdletBinding()]
    param()

    foreach ($pass in 1..2) {
        [GC]::Collect()
        [GC]::WaitForPendingFinalizers()
    }
}

<#
.SYNOPSIS
    Starts an SSH server on the loopback interface that offers this PowerShell, with keys and configuration in a folder of its own;
    Stop-SshServer ends it. It finds the staged module by its name.
.DESCRIPTION
    The hosts web1, web2 and web3 are known to the ssh that is first on the PATH until then, as in a user's ssh_config: three
    addresses of this machine. (So is web4, but nobody listens there.)
.PARAMETER Fleet
    Each host has a /srv of its own: the folder of its name beside the keys.
#>
function Start-SshServer {
    [CmdletBinding(SupportsShouldProcess)]
    [OutputType([hashtable])]
    param([switch] $Fleet)

    if (-not $PSCmdlet.ShouldProcess('an SSH server')) { return }
    $folder = New-Workspace
    $probe = [System.Net.Sockets.TcpListener]::new([System.Net.IPAddress]::Loopback, 0)
    $probe.Start()
    $port = $probe.LocalEndpoint.Port
    $probe.Stop()

    Invoke-Shell 'cd "$1"; mkdir -m 700 bin; ssh-keygen -q -t ed25519 -N "" -f host; ssh-keygen -q -t ed25519 -N "" -f user; [ $(id -u) != 0 ] || mkdir -p /run/sshd' $folder
    $environment = @(
        "PSModulePath=$(Split-Path -Path (Split-Path -Path (Split-Path -Path $env:MMAPSNAPSHOT_MODULE)))"
        'POWERSHELL_TELEMETRY_OPTOUT=1'
        Get-ChildItem -Path Env:DOTNET_* | ForEach-Object { "$($_.Name)=$($_.Value)" }
    ) | ForEach-Object { "`"$_`"" }
    Set-Content -LiteralPath "$folder/sshd_config" -Value @"
ListenAddress 127.0.0.1:$port
ListenAddress 127.0.0.2:$port
ListenAddress 127.0.0.3:$port
HostKey $folder/host
PidFile none
AuthorizedKeysFile $folder/user.pub
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
SetEnv $environment
Subsystem powershell $pwsh -sshs -NoLogo -NoProfile
"@
    if ($Fleet) {
        foreach ($number in 1..3) {
            [void][System.IO.Directory]::CreateDirectory("$folder/web$number")
            Add-Content -LiteralPath "$folder/sshd_config" -Value @(
                "Match LocalAddress 127.0.0.$number"
                "    ForceCommand unshare --mount sh -c `"mount --bind '$folder/web$number' /srv && exec $pwsh -sshs -NoLogo -NoProfile`""
            )
        }
    }
    # 127.0.0.1 is web1, and so on. No other key and no other configuration of this user's is asked.
    Set-Content -LiteralPath "$folder/ssh_config" -Value $(
        foreach ($number in 1..4) { "Host web$number", "    HostName 127.0.0.$number" }
        'Host *', "    Port $port", "    User $([Environment]::UserName)", "    IdentityFile $folder/user", '    IdentitiesOnly yes'
        '    IdentityAgent none', '    BatchMode yes', '    HostKeyAlias server', "    UserKnownHostsFile $folder/known_hosts"
        '    StrictHostKeyChecking yes'
    )
    Set-Content -LiteralPath "$folder/known_hosts" -Value "server $([System.IO.File]::ReadAllText("$folder/host.pub"))"
    $ssh = (Get-Command -Name ssh -CommandType Application -TotalCount 1).Path
    Set-Content -LiteralPath "$folder/bin/ssh" -Value "#!/bin/sh`nexec '$ssh' -F '$folder/ssh_config' `"`$@`""
    chmod +x "$folder/bin/ssh"

    # sshd starts itself anew by its full path for each connection.
    $process = Start-Process -FilePath (Get-Command -Name sshd -CommandType Application -TotalCount 1).Path -ArgumentList '-D', '-f', "$folder/sshd_config", '-E', "$folder/log" -PassThru
    foreach ($address in '127.0.0.1', '127.0.0.3') {
        for ($waited = 0; $true; $waited++) {
            try {
                [System.Net.Sockets.TcpClient]::new($address, $port).Dispose()
                break
            } catch {
                if ($process.HasExited -or $waited -ge 100) { throw "sshd does not listen: $(Get-Content -LiteralPath "$folder/log" -Raw)" }
                Start-Sleep -Milliseconds 50
            }
        }
    }
    @{ Folder = $folder; Process = $process; Path = $env:PATH }
    $env:PATH = "$folder/bin:$env:PATH"
}

<#
.SYNOPSIS
    Ends what Start-SshServer has started.
#>
function Stop-SshServer {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Mandatory)] [hashtable] $Server)

    if (-not $PSCmdlet.ShouldProcess('the SSH server')) { return }
    $env:PATH = $Server.Path
    $Server.Process.Kill()
    $Server.Process.WaitForExit()
    Remove-Workspace $Server.Folder
}

<#
.SYNOPSIS
    Why there can be no Start-SshServer here, or nothing.
#>
function Get-SshObstacle {
    [CmdletBinding()]
    [OutputType([string])]
    param([switch] $Fleet)

    if ($Fleet) { Get-Obstacle -Root -Program sshd, ssh, ssh-keygen, unshare } else { Get-Obstacle -Program sshd, ssh, ssh-keygen }
}

Export-ModuleMember -Function *-*
