#!/usr/bin/env bash
# The same as build.ps1, for a machine that has only the .NET SDK: uses the pwsh on PATH, or restores one as a .NET tool.
# Setup installs what the full test run needs besides. Where PowerShell cannot be had, the other tasks do the engine's part, and say
# what they did not do.
#
#   ./build.sh Setup|Build|Lint|Test|Coverage|Faults|Bench|Demo|Help|Package|Clean ...
#   ./build.sh Test -Filter '*conflict*' -FileSystem xfs,tmpfs     (build.ps1 has the other options)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 POWERSHELL_TELEMETRY_OPTOUT=1

fail() {
    echo "build.sh: $1" >&2
    exit 1
}

# Installs the packages of tests/support/packages.txt of which something is missing.
setup() {
    local package parts part absent=()
    while IFS=': ' read -r package parts; do
        [[ $package != '#'* ]] || continue
        for part in $parts; do
            [ -e "$part" ] || command -v "$part" >/dev/null || PATH=$PATH:/usr/sbin:/sbin command -v "$part" >/dev/null || {
                absent+=("$package")
                break
            }
        done
    done <tests/support/packages.txt
    [ ${#absent[@]} -gt 0 ] || {
        echo 'All packages that the full test run needs are installed.'
        return
    }
    echo "Missing packages: ${absent[*]}"
    command -v apt-get >/dev/null || fail 'Setup installs Debian packages with apt-get, which is not on this machine: install what corresponds to these.'
    [ "$(id -u)" = 0 ] || fail 'Setup must run as root: sudo ./build.sh Setup'
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq || echo 'build.sh: apt-get update failed; the package lists may be old.' >&2
    # One by one: a package that cannot be installed keeps no other from it.
    local refused=()
    for package in "${absent[@]}"; do
        apt-get install -y -qq --no-install-recommends "$package" >/dev/null || refused+=("$package")
    done
    [ ${#refused[@]} = 0 ] || fail "apt-get could not install: ${refused[*]}"
    echo 'All of them are installed now.'
}

if [ "${1-}" = Setup ]; then
    setup
    shift
    [ $# -gt 0 ] || exit 0
fi

command -v dotnet >/dev/null || fail 'the .NET SDK (8 or later) is needed: https://dotnet.microsoft.com/download'

# Where something is written: below here, in the home directory (NuGet and dotnet) and in the temporary directory.
for place in . "${DOTNET_CLI_HOME:-${HOME:-}}" "${TMPDIR:-/tmp}"; do
    [ -n "$place" ] || fail 'HOME is not set, and dotnet needs a home directory.'
    probe=$place/.mmapsnapshot-build-$$
    # shellcheck disable=SC2015 # both failures are the same failure
    problem=$({ head -c 1048576 /dev/zero >"$probe" && rm "$probe"; } 2>&1) || {
        rm -f "$probe" 2>/dev/null
        fail "cannot write to $(cd "$place" 2>/dev/null && pwd || echo "$place"): ${problem##*: }"
    }
done

if pwsh=$(command -v pwsh); then
    version=$(pwsh --version 2>/dev/null) || fail "$pwsh does not run; without a pwsh on PATH one is restored as a .NET tool."
    [[ $version =~ ^PowerShell\ ([0-9]+)\.([0-9]+) ]] || fail "$pwsh says that it is '$version', not which PowerShell it is."
    ((BASH_REMATCH[1] * 100 + BASH_REMATCH[2] >= 704)) ||
        fail "$pwsh is $version, and 7.4 or later is needed: without a pwsh on PATH one is restored as a .NET tool."
    exec pwsh -NoProfile -NonInteractive -File build.ps1 "${@:-Build}"
elif restored=$(dotnet tool restore 2>&1); then
    exec dotnet tool run pwsh -- -NoProfile -NonInteractive -File build.ps1 "${@:-Build}"
fi

# Why a restore failed: NuGet's error, on one line.
reason() {
    sed -n '/NU[0-9]\{4\}\|[Uu]nable\|error/{s/^ *//;s/.*: error \|^Unhandled exception: //;s/\. *$//;p;q}' <<<"$1"
}

missing="PowerShell is not on PATH and cannot be restored as a .NET tool ($(reason "$restored"))"
readonly missing

# The engine's part needs packages of NuGet, too: those may be in the cache of an earlier build.
restore() {
    local output
    output=$(dotnet restore "$1" --nologo -v quiet 2>&1) || fail "$missing; nothing ran, as the packages of $1 cannot be restored either ($(reason "$output"))."
}

build() {
    local version
    restore src/MmapSnapshot
    version=$(sed -n "s/^ *ModuleVersion *= *'\(.*\)'.*/\1/p" module/MmapSnapshot.psd1)
    rm -rf "output/MmapSnapshot/$version"
    dotnet publish src/MmapSnapshot -c Release -o "output/MmapSnapshot/$version" -v quiet
    echo "THE HELP OF THE CMDLETS WAS NOT MADE: $missing."
}

# Runs the engine's suite, and the fault matrix in its short form; or, with --full, the matrix alone and in full.
tests() {
    local log status=0 suite total errors failed=0 skipped=0 passed=0 untested=''
    restore tests/MmapSnapshot.Core.Tests
    restore tests/faults
    log=$(mktemp)
    dotnet build tests/MmapSnapshot.Core.Tests -c Release --nologo -v quiet
    dotnet build tests/faults -c Release --nologo -v quiet
    suite='dotnet run --project tests/MmapSnapshot.Core.Tests -c Release --no-build -- -noLogo -noColor
        dotnet run --project tests/faults -c Release --no-build -- --short'
    [ "${1-}" != --full ] || suite='dotnet run --project tests/faults -c Release --no-build'
    tests/filesystems/rig.sh run bash -c "$suite" | tee "$log" || status=$?
    if [ "${1-}" != --full ]; then
        # xunit closes with "Total: 9, Errors: 0, Failed: 0, Skipped: 0, ...".
        count() { sed -n "s/.* $1: \([0-9]*\).*/\1/p" "$log" | tail -n 1; }
        total=$(count Total) errors=$(count Errors)
        [ -n "$total" ] || fail 'the engine suite did not finish'
        failed=$(($(count Failed) + errors)) skipped=$(count Skipped)
        passed=$((total - failed - skipped))
        untested="THE CMDLETS WERE NOT TESTED AND THE QUALITY GATES NOT RUN: $missing. Both count as one skipped test each."
        skipped=$((skipped + 2))
    fi
    local matrix
    matrix=$(sed -n 's/^Fault matrix: \([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' "$log")
    [ -n "$matrix" ] || fail 'the fault matrix did not finish'
    rm -f "$log"
    # shellcheck disable=SC2086 # three numbers
    set -- $matrix
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
    [ "$failed" -gt 0 ] || [ "$status" = 0 ] || failed=1 # a filesystem was still held
    echo
    [ -z "$untested" ] || echo "$untested"
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" = 0 ]
}

lint() {
    echo "THE QUALITY GATES WERE NOT RUN: $missing."
    echo '0 passed, 0 failed, 1 skipped'
}

demo() {
    restore samples/PatchBinary
    echo "THE CMDLETS ARE NOT SHOWN: $missing. This is samples/PatchBinary, the same job with the engine alone."
    dotnet build samples/PatchBinary -c Release -v quiet
    # shellcheck disable=SC2016 # the inner shell's variables
    tests/filesystems/rig.sh run bash -c '
        set -e -o pipefail
        for place in "$PWD" "$MMAPSNAPSHOT_RIG/xfs"; do
            [ -d "$place" ] || continue
            work=$(mktemp -d "$place/mmapsnapshot-demo-XXXXXX")
            trap "kill \$running 2>/dev/null; rm -rf \"$work\"" EXIT
            cp "$(type -P sleep)" "$work/sleep"
            "$work/sleep" 60 &
            running=$!
            echo
            echo "In $place:"
            echo "  before: $("$work/sleep" --version | head -n 1)"
            dotnet run --project samples/PatchBinary -c Release --no-build -- "$work/sleep" "GNU coreutils" "MmapSnapshot!"
            echo "  after:  $("$work/sleep" --version | head -n 1)"
            kill -0 "$running" && echo "  the copy that was running (process $running) continues with the old file"
            kill "$running"
            rm -rf "$work"
            trap - EXIT
        done'
}

package() {
    echo "THE MODULE IS NOT PACKED, only the engine: $missing, and PowerShell's own tool makes the package that the Gallery takes."
    restore src/MmapSnapshot.Core
    rm -f output/*.nupkg
    dotnet pack src/MmapSnapshot.Core -c Release -o output --nologo -v quiet
    ls output/*.nupkg
}

clean() {
    rm -rf output
    find src tests samples benchmarks -type d \( -name bin -o -name obj \) -prune -exec rm -rf {} +
}

for task in "${@:-Build}"; do
    [[ $task != -* ]] || fail "$missing, and it alone has the option $task."
    case $task in
        Build) build ;;
        Lint) lint ;;
        Test) tests ;;
        Faults) tests --full ;;
        Bench | Coverage) fail "$task needs PowerShell: $missing" ;;
        Demo) demo ;;
        Help) fail "the help cannot be made: $missing" ;;
        Package) package ;;
        Clean) clean ;;
        *) fail "there is no task '$task': Setup, Build, Lint, Test, Coverage, Faults, Bench, Demo, Help, Package, Clean" ;;
    esac
done
