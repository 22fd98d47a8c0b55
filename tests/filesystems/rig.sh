#!/usr/bin/env bash
# Makes and mounts the filesystems that both test suites run on, as loop-mounted images in a folder of their own.
#
#   rig.sh up FOLDER [NAME...]   makes FOLDER/<name> for each filesystem named (or all) that this machine can make, and prints
#                          "name<TAB>mounted" or "name<TAB>why not", a line each
#   rig.sh remount FOLDER NAME   unmounts one and mounts it again, as after a crash
#   rig.sh down FOLDER     unmounts and removes them all; fails if anything still holds one open
#   rig.sh run COMMAND...  runs a command between the two, with their folder as $MMAPSNAPSHOT_RIG
#
# It needs root, and mkfs.xfs, mkfs.btrfs and mkfs.ext4 for the filesystems of those names.
set -u -o pipefail

# bash calls this for a program that is missing. It names the package (../support/packages.txt), too.
command_not_found_handle() {
    local package
    package=$(sed -n "s/^\([^#: ]*\): \(.* \)\?$1\( .*\)\?\$/\1/p" "$(dirname "${BASH_SOURCE[0]}")/../support/packages.txt")
    echo "needs $1${package:+ (package $package)}" >&2
    return 127
}

# Every filesystem the suites know. A test of one that is not mounted is skipped, visibly.
readonly all='xfs xfs-exchange btrfs ext4 tmpfs overlay-ext4 overlay-xfs'
readonly image_size=${MMAPSNAPSHOT_RIG_SIZE:-512M}

fail() {
    echo "rig.sh: $1" >&2
    exit 1
}

# make NAME: makes $folder/NAME, or says on standard error why it cannot be.
make() {
    local at=$folder/$1
    mkdir -p "$at"
    if ! mount_new "$1" "$at" "$folder/images/$1" || ! chmod 1777 "$at"; then
        rmdir "$at"
        return 1
    fi
}

# mount_new NAME AT IMAGE
mount_new() {
    local features name=$1 at=$2 image=$3
    case $name in
        xfs) truncate -s "$image_size" "$image" && mkfs.xfs -q -m reflink=1 "$image" && mount -o loop "$image" "$at" ;;
        xfs-exchange)
            # mkfs.xfs has the option since xfsprogs 6.10; before that the feature bit is set by hand.
            truncate -s "$image_size" "$image" && {
                mkfs.xfs -q -i exchange=1 "$image" 2>/dev/null || {
                    mkfs.xfs -q -f -m reflink=1 "$image" &&
                        features=$(xfs_db -r -c 'sb 0' -c 'print features_incompat' "$image" | sed 's/.*= //') &&
                        xfs_db -x -c 'sb 0' -c "write -d features_incompat $(printf '0x%x' $((features | 0x40)))" "$image" >/dev/null
                }
            } && mount -o loop "$image" "$at"
            ;;
        btrfs) truncate -s "$image_size" "$image" && mkfs.btrfs -q "$image" && mount -o loop "$image" "$at" ;;
        ext4) truncate -s "$image_size" "$image" && mkfs.ext4 -q -m 0 -b 4096 "$image" && mount -o loop "$image" "$at" ;;
        tmpfs) mount -t tmpfs -o size="$image_size" tmpfs "$at" ;;
        overlay-*)
            # An overlay brings along the filesystem that it lies on.
            local on=$folder/${name#overlay-}
            { mountpoint -q "$on" || make "${name#overlay-}"; } &&
                mkdir -p "$on/.overlay/lower" "$on/.overlay/upper" "$on/.overlay/work" &&
                mount -t overlay -o "lowerdir=$on/.overlay/lower,upperdir=$on/.overlay/upper,workdir=$on/.overlay/work" overlay "$at"
            ;;
    esac
}

# up NAME...
up() {
    local name problem
    for name; do
        [[ " $all " == *" $name "* ]] || fail "there is no filesystem '$name': $all"
    done
    [ "$(id -u)" = 0 ] || {
        for name; do printf '%s\tnot root, so nothing can be mounted\n' "$name"; done
        return
    }
    mkdir -p "$folder/images" || fail "cannot write to $folder"
    for name; do
        mountpoint -q "$folder/$name" && continue # an overlay has brought it along
        if problem=$(make "$name" 2>&1); then
            printf '%s\tmounted\n' "$name"
        else
            printf '%s\t%s\n' "$name" "$(echo "${problem:-cannot be mounted}" | head -n 1)"
        fi
    done
}

down() {
    local failed=0 name
    # In reverse: the overlays lie on the others.
    for name in $(echo "$all" | tr ' ' '\n' | tac); do
        mountpoint -q "$folder/$name" || continue
        umount "$folder/$name" || {
            failed=1
            umount --lazy "$folder/$name"
        }
    done
    rm -rf --one-file-system "$folder"
    [ "$failed" = 0 ] || fail 'something still held a filesystem open'
}

run() {
    folder=$(mktemp -d)
    chmod 755 "$folder" # some tests become another user
    trap down EXIT
    # shellcheck disable=SC2086 # names are words
    up $all | sed 's/^/  /' >&2
    MMAPSNAPSHOT_RIG=$folder "$@"
}

# remount NAME
remount() {
    umount "$folder/$1" && mount -o loop "$folder/images/$1" "$folder/$1"
}

case ${1-}:$# in
    up:1) fail 'usage: rig.sh up FOLDER [NAME...]' ;;
    up:2)
        folder=$2
        # shellcheck disable=SC2086 # names are words
        up $all
        ;;
    up:*)
        folder=$2
        up "${@:3}"
        ;;
    down:2)
        folder=$2
        down
        ;;
    remount:3)
        folder=$2
        remount "$3"
        ;;
    run:1) fail 'usage: rig.sh run COMMAND...' ;;
    run:*)
        shift
        run "$@"
        ;;
    *) fail 'usage: rig.sh up|down|remount FOLDER, or rig.sh run COMMAND...' ;;
esac
