namespace MmapSnapshot.Faults;

/// <summary>A writer fills a file with one letter after another, without pause; each snapshot is one letter throughout.</summary>
internal static class RacingWriters
{
    private const int Length = 64 << 20;

    internal static void Try(string mount, Report report, int snapshots)
    {
        var line = report.Begin("a racing writer", Rig.NameOf(mount));
        string path = Path.Join(mount, "raced");
        File.WriteAllBytes(path, Filled('A'));
        using var stop = new CancellationTokenSource();
        var writer = new Thread(() => Write(path, stop.Token));
        writer.Start();
        try
        {
            for (int i = 0; i < snapshots; i++)
            {
                try
                {
                    using var snapshot = Snapshot.Open(path, new SnapshotOptions { ReadOnly = true });
                    using var view = snapshot.GetView(0, Length);
                    bool torn = view.Span.IndexOfAnyExcept(view.Span[0]) >= 0;
                    line.Case(injected: true, torn ? "a snapshot is torn" : null);
                }
                catch (SnapshotException exception) when (exception.Error == SnapshotError.SourceChanging)
                {
                    line.Case(injected: true, loss: null);
                }
            }
        }
        finally
        {
            stop.Cancel();
            writer.Join();
            File.Delete(path);
        }
    }

    private static void Write(string path, CancellationToken stop)
    {
        byte[][] letters = [Filled('B'), Filled('C')];
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        for (int i = 0; !stop.IsCancellationRequested; i++)
        {
            // In one call, so that where a write is atomic a clone must be of one letter.
            RandomAccess.Write(file, letters[i % 2], 0);
            if (i % 3 == 0) Thread.Sleep(50); // or a copy would never find the file at rest
        }
    }

    private static byte[] Filled(char letter)
    {
        var bytes = new byte[Length];
        Array.Fill(bytes, (byte)letter);
        return bytes;
    }
}
