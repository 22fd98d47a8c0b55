using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace MmapSnapshot.Faults;

/// <summary>
/// The process that the faults happen to. It answers a line with a line: "VARIANT PATH" opens, patches and saves twice, and tells
/// how it went; "save PATH" and "save-in-place PATH" patch a file in many places and save it once; "group FOLDER" saves the files of a
/// <see cref="GroupSpecimen"/> as one. Markers in its system calls show where a case begins and ends.
/// </summary>
internal static partial class Victim
{
    internal const string BeginMarker = "/marker-begin", EndMarker = "/marker-end";

    /// <summary>How far apart "save" patches the file.</summary>
    internal const int Stride = 1 << 20;

    /// <summary>
    /// How many there were after the last case. (Counted before a case they would be in its trace, in varying number.)
    /// </summary>
    private static int _descriptors, _mappings;

    private static string _mount = "";

    internal static int Run(string folder)
    {
        Directory.CreateDirectory(folder);
        _mount = Path.GetDirectoryName(folder)!;
        string warm = Path.Join(folder, "warm");
        WarmUp(warm);
        Directory.Delete(folder, recursive: true);
        while (Console.In.ReadLine() is { } line)
        {
            string answer = line.Split(' ', 2) switch
            {
                ["in-place", var path] => Case(path, SaveVariant.Plain, PatchInPlace),
                ["repair", var path] => Repair(path),
                ["group", var path] => SaveGroup(path),
                ["save", var path] => Save(path, CommitMethod.Auto),
                ["save-in-place", var path] => Save(path, CommitMethod.InPlace),
                [var variant, var path] => Case(path, Enum.Parse<SaveVariant>(variant)),
                _ => Hello(),
            };
            Console.Out.WriteLine(answer);
        }
        return 0;
    }

    /// <summary>
    /// Everything is compiled and loaded before the first fault: whatever a case may come to, it makes no system calls of the runtime's.
    /// </summary>
    private static void WarmUp(string path)
    {
        SnapshotBacking[] backings = [SnapshotBacking.Auto, SnapshotBacking.Copy];
        CommitMethod[] methods = [CommitMethod.Auto, CommitMethod.Replace, CommitMethod.InPlace];
        foreach (var backing in backings)
        {
            foreach (var method in methods)
            {
                File.WriteAllBytes(path, Specimen.Old);
                Case(path, SaveVariant.Plain);
                using var writer = File.OpenWrite(path); // so that there is no lease
                using var snapshot = Snapshot.Open(path, new SnapshotOptions { Backing = backing });
                snapshot.Write(0, Specimen.FirstPatch);
                try
                {
                    snapshot.Commit(new CommitOptions { Method = method, Force = true });
                    snapshot.Commit(new CommitOptions { Destination = path + ".absent/file" });
                }
                catch (SnapshotException)
                {
                    TryToGoOn(snapshot, 0, SaveVariant.Plain);
                }
            }
        }
        WarmUpGroup(path + ".group");
        _ = (Descriptors(), Mappings());
    }

    private static void WarmUpGroup(string folder)
    {
        var specimen = new GroupSpecimen(folder);
        SaveGroup(folder);
        specimen.Renew();
        var snapshots = specimen.Open();
        File.AppendAllText(specimen.Paths[2], "theirs"); // a conflict
        try
        {
            _ = Snapshot.CommitAll(snapshots);
        }
        catch (SnapshotException)
        {
            foreach (var snapshot in snapshots) snapshot.Dispose();
        }
        _ = SnapshotRepair.Repair(folder, new RepairOptions { Recurse = true }).ToList();
        Directory.Delete(folder, recursive: true);
    }

    /// <summary>Opens, changes and saves the files of a group, and tells how it went.</summary>
    private static string SaveGroup(string folder)
    {
        var specimen = GroupSpecimen.In(folder);
        var clock = Stopwatch.StartNew();
        string outcome = "ok";
        Snapshot[] snapshots = [];
        try
        {
            snapshots = specimen.Open();
            _ = File.Exists(BeginMarker);
            _ = Snapshot.CommitAll(snapshots);
        }
        catch (SnapshotException exception)
        {
            string changed = exception.Message.EndsWith("No file was changed.", StringComparison.Ordinal) ? "none changed" : "some changed";
            outcome = $"{exception.Error} ({changed}): {exception.Message.ReplaceLineEndings(" ")}";
        }
        catch (Exception exception)
        {
            outcome = $"UNDOCUMENTED {exception.GetType().Name}: {exception.Message.ReplaceLineEndings(" ")}";
        }
        _ = File.Exists(EndMarker);
        double elapsed = clock.Elapsed.TotalMilliseconds;
        string usable = specimen.JudgeSnapshots(snapshots);
        foreach (var snapshot in snapshots) snapshot.Dispose();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var (descriptors, mappings) = (_descriptors, _mappings);
        (_descriptors, _mappings) = (Descriptors(), Mappings());
        return string.Create(
            CultureInfo.InvariantCulture,
            $"saved {elapsed}|{_descriptors - descriptors}|{_mappings - mappings}|{outcome}|{usable}");
    }

    /// <summary>Tells its thread, and takes stock.</summary>
    private static string Hello()
    {
        (_descriptors, _mappings) = (Descriptors(), Mappings());
        return ThreadId().ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>Patches, saves, patches, saves and closes.</summary>
    private static void PatchTwice(Snapshot snapshot, bool keeps, ref int written, ref int saved)
    {
        snapshot.Write(Specimen.FirstOffset, Specimen.FirstPatch);
        written = 1;
        snapshot.Commit(new CommitOptions { Backup = keeps ? ".1" : null });
        saved = 1;
        snapshot.Write(Specimen.SecondOffset, Specimen.SecondPatch);
        written = 2;
        snapshot.Commit(new CommitOptions { Close = true, Backup = keeps ? ".2" : null });
        saved = 2;
    }

    /// <summary>Makes both patches, saves in place and closes.</summary>
    private static void PatchInPlace(Snapshot snapshot, ref int written, ref int saved)
    {
        snapshot.Write(Specimen.FirstOffset, Specimen.FirstPatch);
        written = 1;
        snapshot.Write(Specimen.SecondOffset, Specimen.SecondPatch);
        written = 2;
        snapshot.Commit(new CommitOptions { Method = CommitMethod.InPlace, Close = true });
        saved = 2;
    }

    /// <summary>Repairs, and tells what was done.</summary>
    private static string Repair(string path)
    {
        _ = File.Exists(BeginMarker);
        string answer;
        try
        {
            var records = SnapshotRepair.Repair(path, new RepairOptions { Recurse = true });
            answer = $"repaired|ok|{string.Join(',', records.Select(record => record.Action))}";
        }
        catch (SnapshotException exception)
        {
            answer = $"repaired|{exception.Error}|";
        }
        _ = File.Exists(EndMarker);
        return answer;
    }

    /// <summary>Patches and saves as the variant says.</summary>
    private static string Case(string path, SaveVariant variant) => Case(
        path,
        variant,
        (Snapshot snapshot, ref int written, ref int saved) =>
            PatchTwice(snapshot, variant == SaveVariant.WithBackup, ref written, ref saved));

    /// <summary>Opens and does something, whatever happens on the way; then sees what is left.</summary>
    private static string Case(string path, SaveVariant variant, Patching patching)
    {
        Snapshot? snapshot = null;
        int written = 0, saved = 0;
        string outcome = "ok";
        _ = File.Exists(BeginMarker);
        try
        {
            snapshot = Snapshot.Open(path);
            patching(snapshot, ref written, ref saved);
        }
        catch (SnapshotException exception)
        {
            outcome = exception.Error.ToString();
        }
        catch (Exception exception)
        {
            outcome = $"UNDOCUMENTED {exception.GetType().Name}: {exception.Message.ReplaceLineEndings(" ")}";
        }
        _ = File.Exists(EndMarker);

        string usable = snapshot is null || outcome == "ok" ? "yes" : TryToGoOn(snapshot, written, variant);
        snapshot?.Dispose();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var (descriptors, mappings) = (_descriptors, _mappings);
        (_descriptors, _mappings) = (Descriptors(), Mappings());
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{saved}|{_descriptors - descriptors}|{_mappings - mappings}|{outcome}|{usable}");
    }

    /// <summary>After a failure the snapshot must have all its bytes, and be good for another save.</summary>
    private static string TryToGoOn(Snapshot snapshot, int written, SaveVariant variant)
    {
        try
        {
            if (snapshot.IsClosed) return "yes";
            byte[] expected = Specimen.Bytes(written, variant);
            if (!snapshot.Read(0, snapshot.Length).AsSpan().SequenceEqual(expected)) return "the snapshot has other bytes";
            string copy = snapshot.Path + ".copy";
            snapshot.Commit(new CommitOptions { Destination = copy });
            bool same = File.ReadAllBytes(copy).AsSpan().SequenceEqual(expected);
            File.Delete(copy);
            return same ? "yes" : "the snapshot saves other bytes";
        }
        catch (SnapshotException exception)
        {
            return $"{exception.Error}: {exception.Message.ReplaceLineEndings(" ")}";
        }
    }

    private delegate void Patching(Snapshot snapshot, ref int written, ref int saved);

    private static string Save(string path, CommitMethod method)
    {
        try
        {
            var clock = Stopwatch.StartNew();
            using var snapshot = Snapshot.Open(path);
            for (long offset = 0; offset < snapshot.Length; offset += Stride) snapshot.Write(offset, Specimen.FirstPatch);
            snapshot.Commit(new CommitOptions { Method = method });
            return string.Create(CultureInfo.InvariantCulture, $"saved {clock.Elapsed.TotalMilliseconds}");
        }
        catch (SnapshotException exception)
        {
            return $"failed {exception.Error}";
        }
    }

    /// <summary>
    /// Descriptors of files without a name and of places in the filesystem under test; the runtime has others, of its DLLs.
    /// </summary>
    private static int Descriptors() => Directory.EnumerateFileSystemEntries("/proc/self/fd")
        .Select(entry => new FileInfo(entry).LinkTarget ?? "")
        .Count(target => target.StartsWith(_mount, StringComparison.Ordinal)
            || (target.EndsWith("(deleted)", StringComparison.Ordinal) && !target.Contains("doublemapper", StringComparison.Ordinal)));

    /// <summary>Shared mappings of files, of which the runtime makes none of its own.</summary>
    private static int Mappings() => File.ReadLines("/proc/self/maps")
        .Count(line => line.Contains("r--s", StringComparison.Ordinal) && line.Contains("(deleted)", StringComparison.Ordinal));

    private static long ThreadId() => SystemCall(RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 186 : 178); // man 2 gettid

    [LibraryImport("libc", EntryPoint = "syscall")]
    private static partial nint SystemCall(nint number);
}
