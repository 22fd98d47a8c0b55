using System.Runtime.InteropServices;

namespace MmapSnapshot.Benchmarks;

/// <summary>The system calls alone, as floor.c makes them. Times are in microseconds.</summary>
public static partial class Floor
{
    private const string Library = "floor";

    static Floor() => NativeLibrary.SetDllImportResolver(
        typeof(Floor).Assembly,
        (name, assembly, _) => name == Library ? NativeLibrary.Load(Path.Join(Path.GetDirectoryName(assembly.Location), "libfloor.so")) : 0);

    /// <summary>Opens a snapshot and closes it.</summary>
    public static double OpenClose(string path, SnapshotBacking backing, bool exchanges) =>
        Microseconds(floor_open_close(path, Number(backing), exchanges ? 1 : 0));

    /// <summary>Opens a snapshot, writes sixteen bytes, saves and closes it.</summary>
    public static double Patch(string path, SnapshotBacking backing, bool exchanges)
    {
        byte[] patch = Bytes.Patch();
        return Microseconds(floor_patch_save(path, Number(backing), exchanges ? 1 : 0, Bytes.Offset, patch, patch.Length));
    }

    /// <summary>Writes sixteen bytes over others of the file, and flushes them: neither atomic nor recoverable.</summary>
    public static double PatchInPlace(string path)
    {
        byte[] patch = Bytes.Patch();
        return Microseconds(floor_patch_in_place(path, Bytes.Offset, patch, patch.Length));
    }

    /// <summary>The same, recoverable: with a journal, and the flushes that it requires.</summary>
    public static double PatchWithJournal(string path)
    {
        byte[] patch = Bytes.Patch();
        return Microseconds(floor_patch_with_journal(path, Bytes.Offset, patch, patch.Length));
    }

    /// <summary>Replaces files of 8 KiB, all or none, as <see cref="Groups.SaveAll"/> does.</summary>
    public static double ReplaceAll(string folder, int count, bool flushesFileSystem) =>
        Microseconds(floor_replace_all(folder, count, Groups.Length, flushesFileSystem ? 1 : 0));

    private static int Number(SnapshotBacking backing) => backing switch
    {
        SnapshotBacking.Reflink => 0,
        SnapshotBacking.Lease => 1,
        _ => throw new ArgumentOutOfRangeException(nameof(backing), backing, "There is no floor for it."),
    };

    private static double Microseconds(long nanoseconds) =>
        nanoseconds >= 0 ? nanoseconds / 1000.0 : throw new IOException($"A system call of the floor failed with errno {-nanoseconds}.");

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    private static partial long floor_open_close(string path, int backing, int method);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    private static partial long floor_patch_save(string path, int backing, int method, long offset, byte[] patch, int count);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    private static partial long floor_patch_in_place(string path, long offset, byte[] patch, int count);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    private static partial long floor_patch_with_journal(string path, long offset, byte[] patch, int count);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    private static partial long floor_replace_all(string path, int count, int length, int ofFileSystem);
}
