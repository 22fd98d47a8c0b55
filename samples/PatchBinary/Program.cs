// Patches a text in a file, from plain C#:
//
//     PatchBinary FILE OLD NEW
//
// Both texts have the same length in UTF-8. The file is replaced atomically, or, if anything goes wrong, not at all; it may
// be a program that is running.

using System.Diagnostics;
using System.Text;
using MmapSnapshot;

if (args is not [var path, var oldText, var newText])
{
    Console.Error.WriteLine("usage: PatchBinary FILE OLD NEW");
    return 2;
}

byte[] before = Encoding.UTF8.GetBytes(oldText), after = Encoding.UTF8.GetBytes(newText);
if (before.Length != after.Length)
{
    Console.Error.WriteLine($"'{oldText}' has {before.Length} bytes and '{newText}' {after.Length}; a patch in place needs as many.");
    return 2;
}

try
{
    var clock = Stopwatch.StartNew();
    using var snapshot = Snapshot.Open(path);
    Report($"opened {snapshot.Length} bytes (backing: {snapshot.Backing})");

    long offset;
    using (var view = snapshot.GetView(0, checked((int)snapshot.Length))) offset = view.Span.IndexOf(before);
    if (offset < 0)
    {
        Console.Error.WriteLine($"'{oldText}' does not occur in {path}.");
        return 1;
    }
    Report($"found it at offset 0x{offset:X}");

    snapshot.Write(offset, after, expected: before);
    Report("patched the snapshot; the file is as it was");

    var result = snapshot.Commit(new CommitOptions { Close = true });
    Report($"saved (method: {result.Method})");
    return 0;

    void Report(string what)
    {
        Console.WriteLine($"  {clock.Elapsed.TotalMilliseconds,8:0.00} ms  {what}");
        clock.Restart();
    }
}
catch (SnapshotException exception)
{
    Console.Error.WriteLine($"{exception.Error}: {exception.Message}");
    return 1;
}
