#!/usr/bin/env bash
# The same as build.ps1, for a machine that has only the .NET SDK: takes pwsh from PATH, else restores it as a .NET tool.
# Where PowerShell cannot be had either way it does the engine's part, and says what it did not do.
#
#   ./build.sh Build|Lint|Test|Faults|Bench|Demo|Help|Package|Clean ...
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 POWERSHELL_TELEMETRY_OPTOUT=1

fail() {
    echo "build.sh: $1" >&2
    exit 1
}

command -v dotnet >/dev/null || fail 'the .NET SDK (8 or later) is needed: https://dotnet.microsoft.com/download'

if command -v pwsh >/dev/null; then
    exec pwsh -NoProfile -NonInteractive -File build.ps1 "${@:-Build}"
elif dotnet tool restore >/dev/null 2>&1; then
    exec dotnet tool run pwsh -- -NoProfile -NonInteractive -File build.ps1 "${@:-Build}"
fi

readonly missing='PowerShell is not on PATH and cannot be restored as a .NET tool'

build() {
    local version
    version=$(sed -n "s/^ *ModuleVersion *= *'\(.*\)'.*/\1/p" module/MmapSnapshot.psd1)
    rm -rf "output/MmapSnapshot/$version"
    dotnet publish src/MmapSnapshot -c Release -o "output/MmapSnapshot/$version" -v quiet
    echo "THE HELP OF THE CMDLETS WAS NOT MADE: $missing."
}

# Runs the engine's suite, and the fault matrix in its short form; or, with --full, the matrix alone and in full.
tests() {
    local log status=0 suite total errors failed=0 skipped=0 passed=0 untested=''
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
    [ -n "$matrix" ] || fail 'the fault matrix did not come to its end'
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
            kill -0 "$running" && echo "  the copy that was running (process $running) goes on with the old file"
            kill "$running"
            rm -rf "$work"
            trap - EXIT
        done'
}

package() {
    echo "THE MODULE IS NOT PACKED, only the engine: $missing, and PowerShell's own tool makes the package that the Gallery takes."
    rm -f output/*.nupkg
    dotnet pack src/MmapSnapshot.Core -c Release -o output --nologo -v quiet
    ls output/*.nupkg
}

clean() {
    rm -rf output
    find src tests samples benchmarks -type d \( -name bin -o -name obj \) -prune -exec rm -rf {} +
}

for task in "${@:-Build}"; do
    case $task in
        Build) build ;;
        Lint) lint ;;
        Test) tests ;;
        Faults) tests --full ;;
        Bench) fail "the benchmarks take PowerShell: $missing" ;;
        Demo) demo ;;
        Help) fail "the help cannot be made: $missing" ;;
        Package) package ;;
        Clean) clean ;;
        *) fail "there is no task '$task': Build, Lint, Test, Faults, Bench, Demo, Help, Package, Clean" ;;
    esac
done
