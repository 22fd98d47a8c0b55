# Runs the code of docs/cookbook.md, a section after the other, and compares what it prints with the page.

Set-StrictMode -Version 3

BeforeDiscovery {
    Import-Module -Name "$PSScriptRoot/../Support.psm1"
    $sshObstacle = Get-SshObstacle -Fleet
    $mountObstacle = Get-Obstacle -Root
    $databaseObstacle = Get-Obstacle -Program sqlite3
}

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/../Support.psm1"

    . "$PSScriptRoot/Recipes.ps1" -Page "$PSScriptRoot/../../../docs/cookbook.md"
}

Describe 'The cookbook''s recipe' {
    BeforeEach {
        $modulePath = $env:PSModulePath
        $env:PSModulePath = (Split-Path (Split-Path (Split-Path $env:MMAPSNAPSHOT_MODULE))) + ':' + $modulePath
        $path = $env:PATH
        # Where there is one, a filesystem that has no disk to wait for; its path is short, as a long one breaks lines elsewhere.
        $folder = if (Test-Path -LiteralPath /dev/shm) { New-Workspace -On /dev/shm } else { New-Workspace }
    }

    AfterEach {
        $env:PSModulePath, $env:PATH = $modulePath, $path
        Remove-Workspace $folder
    }

    It 'for a daemon patches and restarts it' {
        # A daemon that does nothing but live, and a systemctl that knows it.
        Copy-Item -LiteralPath (Get-Command -Name sleep -CommandType Application -TotalCount 1).Path -Destination "$folder/tickd"
        [void][System.IO.Directory]::CreateDirectory("$folder/bin")
        Set-Content -LiteralPath "$folder/bin/systemctl" -Value '#!/bin/sh', "cd '$folder/bin' || exit", @'
case $1 in
    start) setsid ../tickd infinity >/dev/null 2>&1 & echo $! >pid ;;
    stop) kill "$(cat pid)" ;;
    restart) "$0" stop; "$0" start ;;
    show) cat pid ;;
esac
while [ "$1" = start ] && [ "$(readlink "/proc/$(cat pid)/exe")" != "$(realpath ../tickd)" ]; do sleep 0.01; done
'@
        chmod +x "$folder/bin/systemctl"
        $env:PATH = "$folder/bin:$path"
        $original = Get-FileHex "$folder/tickd"
        systemctl start
        try {
            Invoke-Recipe 'Patch a running daemon''s binary and restart it' $folder '/srv/tickd'
            Get-FileHex "$folder/tickd" | Should -BeExactly $original
            (Import-Csv -LiteralPath "$folder/tickd.patch.csv").After | Should -BeExactly '41 43 4D'
        } finally {
            systemctl stop
        }
    }

    It 'for a configuration pins it, and changes it' {
        Set-Content -LiteralPath "$folder/app.json" -Value '{ "port": 8080, "log": "info" }' -NoNewline
        Invoke-Recipe 'Pin a configuration while others edit it' $folder '/srv/app'
        (Get-Content -LiteralPath "$folder/app.json" -Raw | ConvertFrom-Json).port | Should -Be 9090
    }

    It 'for a backup keeps the old file, and takes it back' {
        $image = [byte[]](@(0) * 16 + 1 + @(0) * 47)
        [System.IO.File]::WriteAllBytes("$folder/firmware.img", $image)
        Invoke-Recipe 'Keep the file that a patch replaces' $folder '/srv/app'
        [System.IO.File]::ReadAllBytes("$folder/firmware.img") | Should -Be $image
        Get-ChildItem -LiteralPath $folder -Name | Should -Be 'firmware.img'
    }

    It 'for a nearly full disk saves in place' -Skip:([bool]$mountObstacle) {
        mount -t tmpfs -o size=80M tmpfs $folder
        try {
            $image = [byte[]]::new(64MB)
            [System.Array]::Fill($image, [byte]1)
            $image[0x1FE] = $image[0x1FF] = 0
            [System.IO.File]::WriteAllBytes("$folder/disk.img", $image)
            Invoke-Recipe 'Patch an image on a nearly full disk' $folder '/srv/images'
            Get-FileHex "$folder/disk.img" 0x1FD 4 | Should -BeExactly '01 55 AA 01'
            Get-ChildItem -LiteralPath $folder -Force -Name | Should -Be 'disk.img'
        } finally {
            Get-MmapSnapshot "$folder/*" | Close-MmapSnapshot -Force
            umount $folder
        }
    }

    It 'for interrupted saves completes them at boot' {
        [void](New-InterruptedSave (New-TestFile "$folder/disk.img"))
        # The PowerShell that runs the tests is the machine's.
        [void][System.IO.Directory]::CreateDirectory("$folder/bin")
        Set-Content -LiteralPath "$folder/bin/pwsh" -Value '#!/bin/sh', "exec $(Get-ProgramOfPowerShell) `"`$@`""
        chmod +x "$folder/bin/pwsh"
        $env:PATH = "$folder/bin:$path"
        Invoke-Recipe 'Finish interrupted saves at boot' $folder '/srv/images'
        if (Get-Command -Name systemd-analyze -CommandType Application -ErrorAction Ignore) {
            # It looks for the programs, and for the unit that has to wait.
            $unit = "$folder/repair-images.service"
            [System.IO.File]::WriteAllText($unit, [System.IO.File]::ReadAllText($unit).Replace('/usr/bin/pwsh', "$folder/bin/pwsh"))
            Set-Content -LiteralPath "$folder/images.service" -Value '[Service]', 'ExecStart=/bin/true'
            systemd-analyze verify $unit 2>&1 | Where-Object { "$_" -match 'repair-images' } | Should -BeNullOrEmpty
        }
        # An image that another program has written to since has the unit fail.
        [void](New-InterruptedSave (New-TestFile "$folder/disk.img"))
        [System.IO.File]::WriteAllBytes("$folder/disk.img", [byte[]]::new(256))
        pwsh -NoProfile -NonInteractive -File "$folder/repair-images.ps1" $folder | Should -BeLike "None: $folder/disk.img: *"
        $LASTEXITCODE | Should -Be 1
    }

    It 'for five files updates them as one' {
        [void][System.IO.Directory]::CreateDirectory("$folder/conf")
        foreach ($name in 'cache', 'jobs', 'mail', 'web') { [System.IO.File]::WriteAllText("$folder/conf/$name.conf", "host = db1`n") }
        Invoke-Recipe 'Update five files as one' $folder '/srv/app'
        $expected = 'cache.conf', 'jobs.conf', 'mail.conf', 'replica.conf', 'web.conf'
        Get-ChildItem -LiteralPath "$folder/conf" -Force -Name | Should -Be $expected
        Get-Content -LiteralPath "$folder/conf/web.conf", "$folder/conf/replica.conf" | Should -Be 'host = db2', 'host = db1'
    }

    It 'for a database copies it with its log, and every committed row' -Skip:([bool]$databaseObstacle) {
        Invoke-Shell 'sqlite3 "$1/shop.db" "PRAGMA journal_mode=WAL; CREATE TABLE orders (id INTEGER PRIMARY KEY)" >/dev/null' $folder
        # It reports each row once it is committed; a checkpoint now and then moves rows from the log to the database.
        Set-Content -LiteralPath "$folder/writer.sh" -Value @'
cd "$1" || exit
for ((i = 1; ; i++)); do
    echo "INSERT INTO orders VALUES ($i); SELECT $i;"
    sleep 0.02
done | stdbuf -oL sqlite3 -cmd 'PRAGMA wal_autocheckpoint=20' shop.db >committed
'@
        $writer = Start-Process -FilePath bash -ArgumentList "$folder/writer.sh", $folder -PassThru
        try {
            # -Tail can return a line that was added while it read, too.
            $committed = { [int](Get-Content -LiteralPath "$folder/committed" -Tail 1 -ErrorAction Ignore | Select-Object -Last 1) }
            foreach ($round in 1..5) {
                $before = 0
                while ($before -lt $round * 30) { Start-Sleep -Milliseconds 20; $before = & $committed }
                Invoke-Recipe 'Copy a database with its log' $folder '/srv/shop'
                $count, $last = (sqlite3 "$folder/backup/shop.db" 'SELECT count(*), max(id) FROM orders') -split '\|'
                [int]$count | Should -Be ([int]$last)
                [int]$count | Should -BeGreaterOrEqual $before
                Remove-Item -LiteralPath "$folder/backup" -Recurse
            }
        } finally {
            $writer.Kill($true)
        }
    }

    It 'for a thousand files changes all that can be' {
        [void][System.IO.Directory]::CreateDirectory("$folder/records")
        foreach ($number in 1..1000) {
            $bytes = [byte[]]::new($(if ($number -eq 666) { 16 } else { 64 }))
            if ($number -ne 666) { $bytes[0x10] = $number -eq 42 ? 7 : 1 }
            [System.IO.File]::WriteAllBytes(('{0}/records/{1:D4}.dat' -f $folder, $number), $bytes)
        }
        foreach ($number in 1..120) {
            $store = "$folder/stores/$($number % 3)"
            [void][System.IO.Directory]::CreateDirectory($store)
            [System.IO.File]::WriteAllBytes("$store/$number.dat", [byte[]](@(0) * 16 + 1 + @(0) * 15))
        }
        Invoke-Recipe 'Change one field in a thousand files' $folder '/srv/app'
        $fields = Get-ChildItem -LiteralPath "$folder/records", "$folder/stores" -Recurse -File -Force | ForEach-Object {
            $bytes = [System.IO.File]::ReadAllBytes($_)
            if ($bytes.Length -gt 16) { $bytes[0x10] } else { 'short' }
        }
        $fields | Group-Object -NoElement | Sort-Object -Property Name | ForEach-Object { "$($_.Count) x $($_.Name)" } | Should -Be '120 x 2', '998 x 3', '1 x 7', '1 x short'
        @(Get-DescriptorInto $folder) | Should -BeNullOrEmpty
    }

    It 'for a fleet checks and patches it' -Skip:([bool]$sshObstacle) {
        $server = Start-SshServer -Fleet
        try {
            foreach ($machine in 1..3) {
                [void][System.IO.Directory]::CreateDirectory("$($server.Folder)/web$machine/app")
                $bytes = [byte[]]::new(256)
                [System.Text.Encoding]::ASCII.GetBytes($machine -eq 3 ? '1.3.9' : '1.4.2').CopyTo($bytes, 0x10)
                $bytes[0x40], $bytes[0x41] = 0x74, 0x05
                [System.IO.File]::WriteAllBytes("$($server.Folder)/web$machine/app/tool", $bytes)
            }
            Invoke-Recipe 'Check and patch a fleet over SSH' $folder '/srv/app'
            foreach ($machine in 1..2) { Get-FileHex "$($server.Folder)/web$machine/app/tool" 0x40 2 | Should -BeExactly '90 90' }
            Get-FileHex "$($server.Folder)/web3/app/tool" 0x40 2 | Should -BeExactly '74 05'
        } finally {
            Stop-SshServer $server
        }
    }

    It 'for C# compiles, patches a file, and tells what it did' {
        $block = Get-Recipe 'Use the engine from C# programs'
        $usings, $statements = ($block.Code -split "`n").Where({ $_ -match '^using [\w.]+;$' }, 'Split')
        $program = "$(@('using System;') + $usings -join "`n")`npublic static class Recipe { public static void Main(string[] args) {`n$($statements -join "`n")`n} }"
        Add-Type -TypeDefinition $program -ReferencedAssemblies ([MmapSnapshot.Snapshot].Assembly.Location), 'System.Console', 'System.Runtime', 'System.Memory', 'System.Collections', 'System.Text.Encoding.Extensions', 'System.Threading' -CompilerOptions '-nowarn:CS1701'

        $bytes = [byte[]]::new(256)
        [System.Text.Encoding]::ASCII.GetBytes('1.4.2').CopyTo($bytes, 0x10)
        [System.Convert]::FromHexString('0F8401020304').CopyTo($bytes, 0x40)
        [System.IO.File]::WriteAllBytes("$folder/tool", $bytes)
        $console, $printed = [Console]::Out, [System.IO.StringWriter]::new()
        [Console]::SetOut($printed)
        try {
            [Recipe]::Main(@("$folder/tool"))
        } finally {
            [Console]::SetOut($console)
        }
        Format-Printed "$printed" | Should -BeExactly (Format-Printed $block.Shown)
        Get-FileHex "$folder/tool" 0x40 6 | Should -BeExactly '90 90 90 90 90 90'
        Get-FileHex "$folder/tool" 0x14 1 | Should -BeExactly '33'
    }
}
