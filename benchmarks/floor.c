// The floor that the engine is measured against: the system calls that a snapshot with the same guarantees cannot do without, and
// nothing else. Each function does its work once and returns the nanoseconds it took, or an errno as a negative number.
//
// The benchmarks call it in the process that runs the engine, in turns with it.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

// How the bytes are kept private, and how they go back: the numbers that the caller passes.
enum { REFLINK = 0, LEASE = 1 };
enum { REPLACE = 0, EXCHANGE = 1 };

// linux/xfs_fs.h since 6.12; the headers of a distribution may be older than its kernel.
struct xfs_commit_range {
    int32_t file1_fd;
    uint32_t pad;
    uint64_t file1_offset, file2_offset, length, flags, freshness[6];
};
#define XFS_IOC_START_COMMIT _IOR('X', 130, struct xfs_commit_range)
#define XFS_IOC_COMMIT_RANGE _IOW('X', 131, struct xfs_commit_range)
#define XFS_EXCHANGE_RANGE_TO_EOF (1ULL << 0)
#define XFS_EXCHANGE_RANGE_DSYNC (1ULL << 1)

#define TRY(call)               \
    do {                        \
        if ((call) < 0)         \
            return -errno;      \
    } while (0)

struct snapshot {
    int folder, file, bytes; // file: the source, which stays open only where its own bytes are read
    char name[256];
    struct stat status; // of the source
    long flags;
    void *map;
    struct xfs_commit_range commit;
};

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

// The path is resolved once, so that a symbolic link is followed and the folder is the file's own; what is no regular file is
// never opened for reading; and owner, mode, attributes and flags are those of the bytes that were taken.
static int open_snapshot(struct snapshot *s, const char *path, int backing, int method) {
    char link[40], real[4096];
    struct stat there;
    memset(s, 0, sizeof *s);
    s->bytes = -1;
    int found = open(path, O_PATH | O_CLOEXEC);
    TRY(found);
    TRY(fstat(found, &s->status));
    snprintf(link, sizeof link, "/proc/self/fd/%d", found);
    ssize_t length = readlink(link, real, sizeof real - 1);
    TRY(length);
    real[length] = 0;
    char *slash = strrchr(real, '/');
    *slash = 0;
    strcpy(s->name, slash + 1);
    TRY(s->folder = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    TRY(fstatat(s->folder, s->name, &there, AT_SYMLINK_NOFOLLOW));
    TRY(s->file = open(link, O_RDONLY | O_CLOEXEC));
    TRY(close(found));
    if (backing == LEASE) {
        TRY(fcntl(s->file, F_SETSIG, 23)); // SIGURG, which is ignored by default
        TRY(fcntl(s->file, F_SETLEASE, F_RDLCK));
    }
    TRY(fstat(s->file, &s->status));
    if (backing == REFLINK) {
        TRY(s->bytes = openat(s->folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
        if (method == EXCHANGE)
            TRY(ioctl(s->file, XFS_IOC_START_COMMIT, &s->commit));
        TRY(ioctl(s->bytes, FICLONE, s->file));
        TRY(fstat(s->bytes, &there));
        s->map = mmap(NULL, there.st_size, PROT_READ, MAP_SHARED, s->bytes, 0);
        if (s->map == MAP_FAILED)
            return -errno;
    }
    TRY(flistxattr(s->file, NULL, 0));
    if (ioctl(s->file, FS_IOC_GETFLAGS, &s->flags) < 0 && errno != ENOTTY)
        return -errno;
    if (backing == REFLINK) {
        TRY(close(s->file));
        s->file = -1;
    }
    return 0;
}

static int close_snapshot(struct snapshot *s, int backing) {
    if (s->map)
        TRY(munmap(s->map, s->status.st_size));
    if (backing == LEASE && s->file >= 0)
        TRY(fcntl(s->file, F_SETLEASE, F_UNLCK));
    if (s->file >= 0)
        TRY(close(s->file));
    if (s->bytes >= 0)
        TRY(close(s->bytes));
    TRY(close(s->folder));
    return 0;
}

int64_t floor_open_close(const char *path, int backing, int method) {
    struct snapshot s;
    int64_t started = now();
    int error = open_snapshot(&s, path, backing, method);
    if (!error)
        error = close_snapshot(&s, backing);
    return error ? error : now() - started;
}

// The first write to a file under a lease: a private copy, and the lease is let go.
static int make_private(struct snapshot *s) {
    TRY(s->bytes = openat(s->folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    for (off_t left = s->status.st_size; left > 0;) {
        ssize_t copied = copy_file_range(s->file, NULL, s->bytes, NULL, left, 0);
        TRY(copied);
        if (copied == 0)
            return -EIO;
        left -= copied;
    }
    TRY(fcntl(s->file, F_SETLEASE, F_UNLCK));
    TRY(close(s->file));
    s->file = -1;
    return 0;
}

static int replace(struct snapshot *s) {
    char link[40], temporary[300];
    struct stat at;
    snprintf(link, sizeof link, "/proc/self/fd/%d", s->bytes);
    snprintf(temporary, sizeof temporary, ".%s.%08x.floor", s->name, (unsigned)now());
    TRY(fchown(s->bytes, s->status.st_uid, s->status.st_gid));
    TRY(flistxattr(s->bytes, NULL, 0));
    TRY(fchmod(s->bytes, s->status.st_mode & 07777));
    TRY(fsync(s->bytes));
    TRY(flock(s->folder, LOCK_EX)); // against other savers
    int target = openat(s->folder, s->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    TRY(target);
    TRY(fcntl(target, F_SETSIG, 23));
    TRY(fcntl(target, F_SETLEASE, F_RDLCK)); // against other writers
    TRY(fstatat(s->folder, s->name, &at, AT_SYMLINK_NOFOLLOW));
    if (at.st_ino != s->status.st_ino || at.st_ctim.tv_nsec != s->status.st_ctim.tv_nsec)
        return -EBUSY;
    TRY(linkat(AT_FDCWD, link, s->folder, temporary, AT_SYMLINK_FOLLOW));
    TRY(renameat(s->folder, temporary, s->folder, s->name));
    TRY(fcntl(target, F_SETLEASE, F_UNLCK));
    TRY(close(target));
    TRY(fsync(s->folder));
    return 0;
}

static int exchange(struct snapshot *s) {
    int target = openat(s->folder, s->name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    TRY(target);
    TRY(fsync(s->bytes));
    s->commit.file1_fd = s->bytes;
    s->commit.flags = XFS_EXCHANGE_RANGE_TO_EOF | XFS_EXCHANGE_RANGE_DSYNC;
    TRY(ioctl(target, XFS_IOC_COMMIT_RANGE, &s->commit));
    TRY(close(target));
    return 0;
}

int64_t floor_patch_save(const char *path, int backing, int method, int64_t offset, const void *patch, int count) {
    struct snapshot s;
    int64_t started = now();
    int error = open_snapshot(&s, path, backing, method);
    if (error)
        return error;
    if (backing == LEASE && (error = make_private(&s)))
        return error;
    TRY(pwrite(s.bytes, patch, count, offset));
    error = method == EXCHANGE ? exchange(&s) : replace(&s);
    if (error)
        return error;
    error = close_snapshot(&s, backing);
    return error ? error : now() - started;
}

int64_t floor_patch_in_place(const char *path, int64_t offset, const void *patch, int count) {
    int file = open(path, O_RDWR | O_CLOEXEC);
    TRY(file);
    int64_t started = now();
    TRY(pwrite(file, patch, count, offset));
    TRY(fdatasync(file));
    int64_t taken = now() - started;
    TRY(close(file));
    return taken;
}

// The same, recoverable: a journal, flushed, and its name; the file with its times; "done", flushed.
int64_t floor_patch_with_journal(const char *path, int64_t offset, const void *patch, int count) {
    char folder[4096], name[4200], link[40], journal[1024] = {0};
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    snprintf(name, sizeof name, "%s.floor-journal", path);
    int directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), file = open(path, O_RDWR | O_CLOEXEC);
    TRY(directory);
    TRY(file);
    int64_t started = now();
    int beside = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    TRY(beside);
    TRY(pwrite(beside, journal, sizeof journal, 0));
    TRY(fsync(beside));
    snprintf(link, sizeof link, "/proc/self/fd/%d", beside);
    TRY(linkat(AT_FDCWD, link, AT_FDCWD, name, AT_SYMLINK_FOLLOW));
    TRY(fsync(directory));
    TRY(pwrite(file, patch, count, offset));
    TRY(fsync(file));
    TRY(pwrite(beside, journal, 512, 0));
    TRY(fdatasync(beside));
    TRY(unlink(name));
    TRY(close(beside));
    int64_t taken = now() - started;
    TRY(close(file));
    TRY(close(directory));
    return taken;
}

// Replaces the files "0" to "count - 1" of a directory, all or none: the new files in a directory beside them, flushed; a journal, its
// state flushed; the names exchanged and flushed; the state again; the old files removed. The flushes are those of the engine. The bytes
// are read from clones of the files, or where there are none from the files: that these are open already is not timed.
int64_t floor_replace_all(const char *path, int count, int length, int of_filesystem) {
    char staging[4200], name[64], journal[1024] = {0}, bytes[65536];
    int bases[count];
    snprintf(staging, sizeof staging, "%s/.floor", path);
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    TRY(directory);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%d", i);
        int file = openat(directory, name, O_RDONLY | O_CLOEXEC), clone = openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        TRY(file);
        TRY(clone);
        int isClone = ioctl(clone, FICLONE, file) == 0;
        bases[i] = isClone ? clone : file;
        TRY(close(isClone ? file : clone));
    }
    int64_t started = now();
    TRY(mkdir(staging, 0700));
    int beside = open(staging, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    TRY(beside);
    int state = openat(beside, "journal", O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    TRY(state);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%d", i);
        int file = openat(beside, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
        TRY(file);
        TRY(pread(bases[i], bytes, length, 0));
        bytes[0]++;
        TRY(pwrite(file, bytes, length, 0));
        TRY(fchmod(file, 0644));
        if (!of_filesystem)
            TRY(sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WRITE));
        TRY(close(file));
    }
    for (int i = 0; i < count && !of_filesystem; i++) {
        snprintf(name, sizeof name, "%d", i);
        int file = openat(beside, name, O_RDONLY | O_CLOEXEC);
        TRY(file);
        TRY(fsync(file));
        TRY(close(file));
    }
    if (of_filesystem)
        TRY(syncfs(beside));
    TRY(pwrite(state, journal, sizeof journal, 0));
    TRY(fsync(state));
    TRY(fsync(beside));
    TRY(fsync(directory));
    TRY(pwrite(state, journal, 512, 0));
    TRY(fsync(state));
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%d", i);
        TRY(renameat2(directory, name, beside, name, RENAME_EXCHANGE));
    }
    TRY(fsync(beside));
    TRY(fsync(directory));
    TRY(pwrite(state, journal, 512, 0));
    TRY(fsync(state));
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%d", i);
        TRY(unlinkat(beside, name, 0));
    }
    TRY(unlinkat(beside, "journal", 0));
    TRY(rmdir(staging));
    int64_t taken = now() - started;
    for (int i = 0; i < count; i++)
        TRY(close(bases[i]));
    TRY(close(state));
    TRY(close(beside));
    TRY(close(directory));
    return taken;
}
