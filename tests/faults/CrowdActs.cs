using System.Diagnostics;
using System.Globalization;
using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;

namespace MmapSnapshot.Faults;

/// <summary>What the processes of <see cref="Crowds"/> do to the one file, and how they report it.</summary>
internal static class CrowdActs
{
    /// <summary>
    /// Saves one version after another, and logs "try parent&gt;child" before each save, "ok parent&gt;child" after it, "!error" for the
    /// id of an error and "?problem" for what may not be. The log is a file, as the process may be killed.
    /// </summary>
    internal static string Save(string path, string name, TimeSpan time, TimeSpan killAfter, string log)
    {
        using var lines = new StreamWriter(log) { AutoFlush = true };
        using var kill = killAfter == default ? null : new Timer(_ => Syscall.kill(Environment.ProcessId, Signum.SIGKILL), null, killAfter, Timeout.InfiniteTimeSpan);
        var clock = Stopwatch.StartNew();
        for (int number = 0; clock.Elapsed < time; number++)
        {
            string child = $"{name}.{number}";
            try
            {
                using var snapshot = Snapshot.Open(path);
                string? parent = Version.IdOfFile(snapshot.Read(0, snapshot.Length));
                if (parent is null) lines.WriteLine("?the snapshot is a mix");
                snapshot.Write(0, Version.HalfOf(child));
                lines.WriteLine($"try {parent}>{child}");
                snapshot.Commit(new CommitOptions { Close = true, NoFlush = number % 4 != 0, Method = number % 2 == 0 ? CommitMethod.Auto : CommitMethod.Replace });
                lines.WriteLine($"ok {parent}>{child}");
            }
            catch (SnapshotException exception)
            {
                lines.WriteLine($"!{exception.Error}");
            }
            catch (Exception exception)
            {
                lines.WriteLine($"?{exception.GetType().Name}: {exception.Message}");
            }
        }
        return "ok";
    }

    /// <summary>Does what other programs do, each act on a thread of its own.</summary>
    /// <returns>
    /// "+id" for each version given the name, in order; "=n" for each write in place that was complete while the file still had the
    /// name; "?problem".
    /// </returns>
    internal static string Disturb(string path, string name, TimeSpan time, string[] acts)
    {
        var logs = acts.Select(_ => new List<string>()).ToArray();
        var threads = acts.Select((act, index) => new Thread(() => Disturb(path, $"{name}{index}", time, act, logs[index]))).ToArray();
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) thread.Join();
        return string.Join(' ', logs.SelectMany(log => log));
    }

    private static void Disturb(string path, string name, TimeSpan time, string act, List<string> log)
    {
        var random = new Random(name.Sum(letter => letter));
        var clock = Stopwatch.StartNew();
        string own = Path.Join(Path.GetDirectoryName(path), name);
        for (int number = 0; clock.Elapsed < time; number++)
        {
            try
            {
                switch (act)
                {
                    case "rename": Rename(path, $"{own}.{number}", $"{name}.{number}", log); break;
                    case "exchange": Exchange(path, $"{own}.{number}", $"{name}.{number}", log); break;
                    case "link": Link(path, $"{own}.{number}", log); break;
                    case "write": Write(path, number, log); break;
                    default: throw new ArgumentException(act);
                }
            }
            catch (Exception exception)
            {
                log.Add($"?{act}:{exception.GetType().Name}");
            }
            Thread.Sleep(random.Next(15));
        }
    }

    private static void Rename(string path, string own, string id, List<string> log)
    {
        File.WriteAllBytes(own, Version.Bytes(id));
        if (Stdlib.rename(own, path) == 0) log.Add("+" + id);
        else log.Add($"?rename:{Stdlib.GetLastError()}");
    }

    /// <summary>Unlike a plain rename this keeps what had the name, where it can be found when all is over.</summary>
    private static void Exchange(string path, string own, string id, List<string> log)
    {
        File.WriteAllBytes(own, Version.Bytes(id));
        log.Add(LibC.Exchange(own, path) is not 0 and var errno ? $"?exchange:{NativeConvert.ToErrno(errno)}" : "+" + id);
    }

    private static void Link(string path, string own, List<string> log)
    {
        if (Syscall.link(path, own) != 0) return;
        if (Version.IdOfFile(ReadWithoutLock(own)) is null) log.Add("?a-file-that-was-linked-is-a-mix");
        File.Delete(own);
    }

    /// <summary>Writes in place to the second half, which savers leave as it is.</summary>
    private static void Write(string path, int number, List<string> log)
    {
        int descriptor = Syscall.open(path, OpenFlags.O_WRONLY | OpenFlags.O_CLOEXEC);
        if (descriptor < 0) throw new IOException(Stdlib.GetLastError().ToString());
        using var file = new SafeFileHandle(descriptor, ownsHandle: true);
        RandomAccess.Write(file, Version.HalfOf(number.ToString(CultureInfo.InvariantCulture)), Version.Half);
        if (Syscall.fstat(descriptor, out var written) == 0 && Syscall.stat(path, out var named) == 0 && written.st_ino == named.st_ino)
            log.Add($"={number}");
    }

    /// <summary>Unlike <see cref="File.ReadAllBytes(string)"/>, which cannot open what another process has locked (man 2 flock).</summary>
    private static byte[] ReadWithoutLock(string path)
    {
        int descriptor = Syscall.open(path, OpenFlags.O_RDONLY | OpenFlags.O_CLOEXEC);
        if (descriptor < 0) throw new IOException(Stdlib.GetLastError().ToString());
        using var file = new SafeFileHandle(descriptor, ownsHandle: true);
        var bytes = new byte[RandomAccess.GetLength(file)];
        return RandomAccess.Read(file, bytes, 0) == bytes.Length ? bytes : [];
    }
}
