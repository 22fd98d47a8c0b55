using System.Globalization;

namespace MmapSnapshot.Faults;

/// <summary>
/// A disk that has less room than it says (an image on a tmpfs that is full) fails when changed bytes are written to it, and later
/// has room again. What is then reported as saved is saved, also after a remount, or the error is SnapshotLost.
/// </summary>
internal static class ThinDisks
{
    private const int Length = 6 << 20, Offset = 1 << 20, Count = 4 << 20;

    /// <summary>The second change: within the first one.</summary>
    private const int SecondOffset = 2 << 20, SecondCount = 1 << 20;

    private const string InPlace = "in-place";

    private const byte Old = (byte)'A', First = 0xEE, Second = 0xDD;

    // The loop driver of Linux 6.18 takes a write for a whole one that its file had room for in part. So the blocks of the filesystems are
    // as long as a page of the tmpfs, and all free ones are trimmed: a write finds room for all of its first page, or for none.

    /// <summary>Room for an image of the smallest XFS, every block of it.</summary>
    private const string ImageSize = "320M", Room = "400M";

    private static readonly string[] _fileSystems = ["xfs", "xfs-exchange", "ext4", "btrfs"];

    private static readonly string[] _ways = ["close", "keep", "destination", InPlace];

    /// <param name="rig">The filesystems are mounted beside it.</param>
    /// <param name="report">Where it is counted.</param>
    /// <param name="isShort">Whether to try three of the ways of saving, each with one of the two failures, and others on the next filesystem.</param>
    internal static void Try(string rig, Report report, bool isShort)
    {
        foreach (string name in _fileSystems)
        {
            string own = rig + "-thin";
            try
            {
                if (!TryMount(own, name)) continue;
                TryDisk(own, name, report, isShort);
            }
            finally
            {
                // The disk has room again before it is unmounted; the images are detached while they are still in use.
                Rig.Shell(
                    "mountpoint -q \"$2/images\" && mount -o \"remount,size=$3\" \"$2/images\" && umount --lazy \"$2/images\"; \"$1\" down \"$2\"",
                    Rig.Script, own, Room);
            }
        }
    }

    private static bool TryMount(string own, string name)
    {
        Rig.Shell("mkdir -p \"$1/images\"; mount -t tmpfs -o \"size=$2\" tmpfs \"$1/images\"", own, Room);
        string answer = Rig.Shell("MMAPSNAPSHOT_RIG_SIZE=$4 \"$1\" up \"$2\" \"$3\"", Rig.Script, own, name, ImageSize);
        if (!answer.EndsWith("\tmounted", StringComparison.Ordinal)) return false;
        // What the filesystem needs for itself has its place; only data finds none later.
        Rig.Shell("fallocate -l \"$3\" \"$1/images/$2\"", own, name, ImageSize);
        return true;
    }

    private static void TryDisk(string own, string name, Report report, bool isShort)
    {
        var line = report.Begin("thin disk", name);
        for (int round = 0; round < (isShort ? 1 : 10); round++)
        {
            int turn = Array.IndexOf(_fileSystems, name);
            for (int way = 0; way < _ways.Length; way++)
            {
                if (isShort && way == turn % _ways.Length) continue;
                bool additionsFirst = way == (turn + 1) % _ways.Length; // the other way has the failure in the flush of its save
                foreach (bool ofAdditions in isShort ? [additionsFirst] : (bool[])[false, true])
                {
                    Prepare(own, name);
                    // A save in place may be left as it failed, for the repair.
                    bool repeats = _ways[way] != InPlace || round % 2 == 1;
                    var (failed, loss) = ofAdditions ? TryAdditions(own, name, _ways[way]) : TryFlush(own, name, _ways[way], repeats);
                    string when = ofAdditions ? "the disk was full when bytes left memory" : "the save failed";
                    line.Case(failed, loss is null ? null : $"{when}, {_ways[way]}: {loss}");
                }
            }
            foreach (int count in isShort ? [turn % 2 == 0 ? 12 : 120] : (int[])[12, 120])
            {
                Prepare(own, name);
                var (failed, loss) = TryGroup(own, name, count);
                line.Case(failed, loss is null ? null : $"a group of {count}: {loss}");
            }
        }
    }

    private static string FileOf(string own, string name, string way) => Path.Join(own, name, way == "destination" ? "out/file" : "file");

    private static string Commit(string own, string name, string way) =>
        way == "destination" ? $"commit keep {FileOf(own, name, way)}" : $"commit {way}";

    private static void Prepare(string own, string name)
    {
        string mount = Path.Join(own, name);
        Remount(own, name); // a filesystem that has met an error may have given up
        Rig.Shell("rm -rf \"$1/file\" \"$1/out\"; mkdir \"$1/out\"", mount);
        var bytes = new byte[Length];
        Array.Fill(bytes, Old);
        File.WriteAllBytes(Path.Join(mount, "file"), bytes);
        File.WriteAllBytes(Path.Join(mount, "out/file"), bytes);
        Rig.Shell("sync -f \"$1\"; fstrim \"$1\"; sync -f \"$1\"", mount);
    }

    private static void Remount(string own, string name) => Rig.Shell("\"$1\" remount \"$2\" \"$3\"", Rig.Script, own, name);

    /// <summary>The tmpfs gets no more room than it uses: the next block that the filesystem above it writes for the first time fails.</summary>
    private static void Fill(string own) =>
        Rig.Shell("mount -o \"remount,size=$(($(stat -f -c '(%b - %f) * %S' \"$1/images\")))\" \"$1/images\"", own);

    private static void MakeRoom(string own) => Rig.Shell("mount -o \"remount,size=$2\" \"$1/images\"", own, Room);

    /// <summary>A save fails in its flush, room is made, and the save is repeated or not.</summary>
    private static (bool Failed, string? Loss) TryFlush(string own, string name, string way, bool repeats)
    {
        using var saver = new ActorProcess();
        if (Open(saver, own, name) is { } problem) return (false, problem);
        Fill(own);
        string? first = saver.Ask(Commit(own, name, way));
        MakeRoom(own);
        string? last = first == "ok" || !repeats ? first : saver.Ask(Commit(own, name, way));
        string? loss = JudgeSave(own, name, way, saver, last, Expected(second: false));
        return (first != "ok", loss is null ? null : $"{loss} (the first save: {first})");
    }

    /// <summary>
    /// Changed bytes leave memory while the disk is full, so that their flush fails. Room is made, some of them are changed again, and all
    /// is saved.
    /// </summary>
    private static (bool Failed, string? Loss) TryAdditions(string own, string name, string way)
    {
        using var saver = new ActorProcess();
        string mount = Path.Join(own, name);
        if (saver.Ask($"open {Path.Join(mount, "file")}") is not "ok" and var opened) return (false, $"opening: {opened}");
        Fill(own);
        string? answer = Write(saver, Offset, Count, First);
        bool failed = saver.HasUnlinkedFileOutside(mount);
        Rig.Shell("echo 1 >/proc/sys/vm/drop_caches"); // the page cache still has what never reached the disk
        MakeRoom(own);
        if (answer == "ok") answer = Write(saver, SecondOffset, SecondCount, Second);
        if (answer != "ok") return (failed, $"a change failed: {answer}");
        string? loss = JudgeSave(own, name, way, saver, saver.Ask(Commit(own, name, way)), Expected(second: true));
        return (failed, loss);

        static string? Write(ActorProcess saver, int offset, int count, byte value) =>
            saver.Ask(string.Create(CultureInfo.InvariantCulture, $"write {offset} {count} {value}"));
    }

    /// <summary>Many files are saved as one while the disk is full: after a remount and a repair they are all old, or all new.</summary>
    private static (bool Failed, string? Loss) TryGroup(string own, string name, int count)
    {
        string folder = Path.Join(own, name, "group");
        if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        var specimen = new GroupSpecimen(folder, count, length: 40_000);
        var snapshots = specimen.Open();
        Rig.Shell("sync -f \"$1\"; fstrim \"$2\"; sync -f \"$1\"", folder, Path.Join(own, name));
        Fill(own);
        string? error = null;
        try
        {
            _ = Snapshot.CommitAll(snapshots);
        }
        catch (SnapshotException exception)
        {
            error = exception.Message;
        }
        foreach (var snapshot in snapshots) snapshot.Dispose();
        MakeRoom(own);
        Remount(own, name);
        var options = new RepairOptions { Recurse = true };
        if (SnapshotRepair.Repair(folder, options).FirstOrDefault(record => record.Action == RepairAction.None) is { } left)
            return (true, $"it was not repaired: {left.Reason}");
        if (SnapshotRepair.Repair(folder, options).FirstOrDefault() is { } again)
            return (true, $"a second repair found something: {again}");
        return (error is not null, specimen.Judge(isNew: error is null ? true : null) is { } wrong ? $"{wrong} ({error ?? "saved"})"
            : null);
    }

    private static string? Open(ActorProcess saver, string own, string name)
    {
        if (saver.Ask($"open {Path.Join(own, name, "file")}") is not "ok" and var opened) return $"opening: {opened}";
        return saver.Ask(string.Create(CultureInfo.InvariantCulture, $"fill {Offset} {Count} {First}")) is not "ok" and var filled ? $"the first change: {filled}" : null;
    }

    private static byte[] Expected(bool second)
    {
        var bytes = new byte[Length];
        Array.Fill(bytes, Old);
        Array.Fill(bytes, First, Offset, Count);
        if (second) Array.Fill(bytes, Second, SecondOffset, SecondCount);
        return bytes;
    }

    private static string? JudgeSave(string own, string name, string way, ActorProcess saver, string? answer, byte[] expected)
    {
        bool saved = answer == "ok";
        string file = FileOf(own, name, way);
        if (!saved && way == InPlace) return JudgeRepair(own, name, saver, file, expected);
        if (!saved && !IsClear(answer)) return IsBroken(Path.Join(own, name)) ? null : $"then: {answer}";
        if (!saved) expected = Enumerable.Repeat(Old, Length).ToArray();
        string report = saved ? "the save was reported to be good" : "the save failed";
        if (Difference(file, expected) is { } wrong) return $"{report}, but {wrong}";
        _ = saver.Ask("close");
        Remount(own, name);
        return Difference(file, expected) is { } damage ? $"{report}, but after a remount {damage}" : null;
    }

    /// <summary>The save in place has failed: after a remount and a repair the file is the old one or the new one, and no journal is left.</summary>
    private static string? JudgeRepair(string own, string name, ActorProcess saver, string file, byte[] expected)
    {
        _ = saver.Ask("close");
        Remount(own, name);
        if (SnapshotRepair.Repair(file).FirstOrDefault(record => record.Action == RepairAction.None) is { } left)
            return $"it was not repaired: {left.Reason}";
        if (SnapshotRepair.Repair(file).FirstOrDefault() is { } again) return $"a second repair found something: {again}";
        bool isOld = Difference(file, Enumerable.Repeat(Old, Length).ToArray()) is null;
        return isOld || Difference(file, expected) is null ? null : "after a repair the file is neither old nor new";
    }

    private static bool IsClear(string? answer) => answer?.StartsWith("SnapshotLost:", StringComparison.Ordinal) is true;

    /// <summary>Whether the filesystem itself has given up, so that nothing can be saved on it.</summary>
    private static bool IsBroken(string mount)
    {
        try
        {
            string probe = Path.Join(mount, "probe");
            File.WriteAllText(probe, "probe");
            Rig.Shell("sync -f \"$1\"", probe);
            File.Delete(probe);
            return false;
        }
        catch (Exception exception) when (exception is IOException or InvalidOperationException)
        {
            return true;
        }
    }

    private static string? Difference(string file, byte[] expected)
    {
        byte[] actual = File.ReadAllBytes(file);
        if (actual.Length != expected.Length) return $"the file has {actual.Length} bytes";
        int wrong = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            if (actual[i] != expected[i]) wrong++;
        }
        return wrong == 0 ? null : $"{wrong} of {expected.Length} bytes are wrong";
    }
}
