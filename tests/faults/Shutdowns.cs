using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace MmapSnapshot.Faults;

/// <summary>
/// The filesystem is shut down, or its disk is frozen in a copy, at a random moment of a save of a file in 20,000 pieces, or of many files
/// as one. When it is mounted again the file is the old one or the new one, and new if the save had returned; and the next save takes away
/// what was left. Many files are all old or all new, after a repair.
/// </summary>
internal static partial class Shutdowns
{
    private const int Pieces = 20_000, PieceLength = 4096, Spacing = 8192;

    /// <summary>The rounds of the short form.</summary>
    internal const int Few = 4;

    private const long Length = (long)Pieces * Spacing;

    /// <summary>XFS_IOC_GOINGDOWN and EXT4_IOC_SHUTDOWN are the same number; flags as follows.</summary>
    private const uint GoingDown = 0x8004587d;

    /// <summary>XFS_FSOP_GOING_FLAGS_LOGFLUSH and _NOLOGFLUSH: with what is in the log in memory, or without, as in a power cut.</summary>
    private static readonly uint[] _flags = [1, 2, 2];

    /// <summary>What is saved when it happens.</summary>
    private static readonly Scenario[] _scenarios =
    [
        OfOneFile("", "save", isInPlace: false),
        OfOneFile("in place: ", "save-in-place", isInPlace: true),
        OfManyFiles(12, shortOn: "btrfs"), // flushed one by one
        OfManyFiles(120, shortOn: "xfs"),
    ];

    /// <summary>
    /// A save, its file in a mount, what is made before it, and what is wrong after it: the round and whether it had returned are given.
    /// </summary>
    private sealed record Scenario(
        string Prefix, string Command, string File, Action<string, string> Prepare, Func<string, bool, int, string?> Judge)
    {
        /// <summary>In the short form one filesystem has it.</summary>
        internal string? ShortOn { get; init; }

        internal bool IsForShort(string fileSystem) => ShortOn is null || ShortOn == fileSystem;
    }

    internal static void Try(string rig, Report report, int rounds)
    {
        // Filesystems of their own: those of the rig lie on one another.
        string own = rig + "-shutdown";
        string[] names = [.. ((string[])["xfs", "xfs-exchange", "ext4"]).Where(name => Directory.Exists(Path.Join(rig, name)))];
        if (names.Length == 0) return;
        Rig.Shell("\"$@\"", [Rig.Script, "up", own, .. names]);
        try
        {
            foreach (var scenario in _scenarios)
            {
                foreach (string name in names.Where(name => rounds > Few || scenario.IsForShort(name)))
                    TryShutdown(own, name, report, rounds, scenario);
                if ((rounds > Few || scenario.IsForShort("btrfs")) && names.Contains("xfs") && Rig.HasProgram("mkfs.btrfs"))
                    TryFrozenDisk(own, report, rounds, scenario);
            }
        }
        finally
        {
            Rig.Shell("\"$@\"", Rig.Script, "down", own);
        }
    }

    private static void TryShutdown(string own, string name, Report report, int rounds, Scenario scenario)
    {
        var line = report.Begin($"{scenario.Prefix}shutdown", name);
        string mount = Path.Join(own, name), path = Path.Join(mount, scenario.File);
        var random = new Random(1);
        double saveTime = 0;
        for (int round = -1; round < rounds; round++)
        {
            scenario.Prepare(mount, path);
            bool saved;
            using (var victim = new VictimProcess(mount))
            {
                victim.Send($"{scenario.Command} {path}");
                var answer = victim.ReceiveAsync();
                if (round < 0)
                {
                    // The first round only tells how long it takes.
                    saveTime = double.Parse(answer.Result!.Split(' ', '|')[1], CultureInfo.InvariantCulture);
                    continue;
                }
                saved = WaitSome(random, saveTime, round, answer);
                Shutdown(mount, _flags[round % _flags.Length]);
            }
            Rig.Shell("\"$@\"", Rig.Script, "remount", own, name);
            line.Case(injected: true, scenario.Judge(path, saved, round));
        }
    }

    /// <summary>btrfs on an image that lies on XFS: a clone of the image is the disk at one instant, as a power cut leaves it.</summary>
    private static void TryFrozenDisk(string own, Report report, int rounds, Scenario scenario)
    {
        var line = report.Begin($"{scenario.Prefix}frozen disk", "btrfs");
        string image = Path.Join(own, "xfs/btrfs.img"), frozen = Path.Join(own, "xfs/frozen.img"), mount = Path.Join(own, "btrfs"),
            path = Path.Join(mount, scenario.File);
        var random = new Random(2);
        double saveTime = 0;
        for (int round = -1; round < rounds; round++)
        {
            Rig.Shell("mkdir -p \"$2\"; rm -f \"$1\"; truncate -s 400M \"$1\"; mkfs.btrfs -q \"$1\"; mount -o loop \"$1\" \"$2\"", image, mount);
            bool saved;
            try
            {
                scenario.Prepare(mount, path);
                using var victim = new VictimProcess(mount);
                victim.Send($"{scenario.Command} {path}");
                var answer = victim.ReceiveAsync();
                if (round < 0)
                {
                    saveTime = double.Parse(answer.Result!.Split(' ', '|')[1], CultureInfo.InvariantCulture);
                    continue;
                }
                saved = WaitSome(random, saveTime, round, answer);
                Rig.Shell("cp --reflink=always \"$1\" \"$2\"", image, frozen);
                _ = answer.Result; // the save goes on with the disk that was not frozen
            }
            finally
            {
                Rig.Shell("umount \"$1\"", mount);
            }
            Rig.Shell("mount -o loop \"$1\" \"$2\"", frozen, mount);
            try
            {
                line.Case(injected: true, scenario.Judge(path, saved, round));
            }
            finally
            {
                Rig.Shell("umount \"$1\"; rm -f \"$2\"", mount, frozen);
            }
        }
    }

    /// <summary>
    /// Waits for a random part of the time that opening, patching and saving take, or, each fourth time, until the save has
    /// returned; and tells whether it has.
    /// </summary>
    private static bool WaitSome(Random random, double saveTime, int round, Task<string?> answer)
    {
        if (round % 4 == 3) answer.Wait();
        else Thread.Sleep((int)(random.NextDouble() * saveTime));
        return answer.IsCompletedSuccessfully
            && answer.Result!.StartsWith("saved", StringComparison.Ordinal)
            && (!answer.Result.Contains('|') || answer.Result.Contains("|ok|", StringComparison.Ordinal));
    }

    private static Scenario OfOneFile(string prefix, string command, bool isInPlace) => new(
        prefix, command, "file", Prepare, (path, saved, round) => (isInPlace ? JudgeRepair(path) : null) ?? Judge(path, saved, round));

    private static Scenario OfManyFiles(int count, string shortOn)
    {
        GroupSpecimen? specimen = null;
        return new Scenario($"group of {count}: ", "group", "group", Make, Judge) { ShortOn = shortOn };

        void Make(string mount, string folder)
        {
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
            specimen = new GroupSpecimen(folder, count, length: 9000);
            Rig.Shell("sync -f \"$1\"", folder);
        }

        string? Judge(string folder, bool saved, int round)
        {
            try
            {
                var options = new RepairOptions { Recurse = true };
                if (SnapshotRepair.Repair(folder, options).FirstOrDefault(record => record.Action == RepairAction.None) is { } left)
                    return $"round {round}: it was not repaired: {left.Reason}";
                if (SnapshotRepair.Repair(folder, options).FirstOrDefault() is { } again)
                    return $"round {round}: a second repair found something: {again}";
            }
            catch (SnapshotException exception)
            {
                return $"round {round}: the repair failed: {exception.Message}";
            }
            return specimen!.Judge(isNew: saved ? true : null) is { } wrong ? $"round {round}: {wrong}" : null;
        }
    }

    private static void Prepare(string mount, string path)
    {
        foreach (string left in Directory.EnumerateFiles(mount)) File.Delete(left);
        using var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite);
        var piece = new byte[PieceLength];
        for (int i = 0; i < Pieces; i++)
        {
            Array.Fill(piece, (byte)(1 + (i % 250)));
            RandomAccess.Write(file, piece, (long)i * Spacing);
        }
        RandomAccess.SetLength(file, Length);
        Rig.Shell("sync -f \"$1\"", path);
    }

    /// <summary>A save in place is completed or dropped, and after that there is nothing to repair, and no journal.</summary>
    private static string? JudgeRepair(string path)
    {
        try
        {
            if (SnapshotRepair.Repair(path).FirstOrDefault(record => record.Action == RepairAction.None) is { } left)
                return $"it was not repaired: {left.Reason}";
            if (SnapshotRepair.Repair(path).FirstOrDefault() is { } again) return $"a second repair found something: {again}";
        }
        catch (SnapshotException exception)
        {
            return $"the repair failed: {exception.Message}";
        }
        string journal = Path.Join(Path.GetDirectoryName(path), Specimen.Journal(Path.GetFileName(path)));
        return File.Exists(journal) ? "the journal was left" : null;
    }

    private static string? Judge(string path, bool saved, int round)
    {
        using var file = File.OpenHandle(path);
        if (RandomAccess.GetLength(file) != Length) return $"round {round}: the file has another length";
        int old = 0, patched = 0;
        var piece = new byte[PieceLength];
        for (int i = 0; i < Pieces; i++)
        {
            RandomAccess.Read(file, piece, (long)i * Spacing);
            var rest = piece.AsSpan();
            if ((long)i * Spacing % Victim.Stride == 0)
            {
                if (rest.StartsWith(Specimen.FirstPatch))
                {
                    patched++;
                    rest = rest[Specimen.FirstPatch.Length..];
                }
                else
                {
                    old++;
                }
            }
            if (rest.IndexOfAnyExcept((byte)(1 + (i % 250))) >= 0) return $"round {round}: piece {i} is damaged";
        }
        if (old > 0 && patched > 0) return $"round {round}: the file is a mix, {old} places old and {patched} new";
        return saved && patched == 0
            ? $"round {round}: the save had returned, and the file is old"
            : round % 4 == 1 && NextSave.Judge(path) is { } problem ? $"round {round}: {problem}"
            : null;
    }

    private static unsafe void Shutdown(string mount, uint flags)
    {
        using var folder = OpenFolder(mount);
        if (Ioctl(folder, GoingDown, &flags) != 0) throw new InvalidOperationException($"shutdown of {mount}: errno {Marshal.GetLastPInvokeError()}");
    }

    private static SafeFileHandle OpenFolder(string path)
    {
        int descriptor = Mono.Unix.Native.Syscall.open(path, Mono.Unix.Native.OpenFlags.O_RDONLY | Mono.Unix.Native.OpenFlags.O_DIRECTORY);
        return new SafeFileHandle(descriptor, ownsHandle: true);
    }

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static unsafe partial int Ioctl(SafeFileHandle file, nuint request, uint* argument);
}
