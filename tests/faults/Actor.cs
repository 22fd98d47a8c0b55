using System.Diagnostics;
using System.Globalization;
using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;

namespace MmapSnapshot.Faults;

/// <summary>The other end of <see cref="ActorProcess"/>: it answers each line with a line.</summary>
internal static class Actor
{
    private static readonly List<SafeFileHandle> _held = [];

    private static Snapshot? _snapshot;

    private static (CancellationTokenSource Stop, Task<string> Result)? _reading;

    internal static int Run()
    {
        while (Console.In.ReadLine() is { } line)
        {
            string[] words = line.Split(' ');
            string answer;
            try
            {
                answer = Answer(words);
            }
            catch (Exception exception)
            {
                answer = $"UNDOCUMENTED {exception.GetType().Name}: {exception.Message}";
            }
            Console.Out.WriteLine(answer.ReplaceLineEndings(" "));
        }
        return 0;
    }

    private static string Answer(string[] words) => words switch
    {
        ["hello"] => "hello",
        ["open", var path] => Attempt(() => _snapshot = Snapshot.Open(path)),
        ["fill", var offset, var count, var value] => Attempt(() => _snapshot!.Fill(Number(offset), Number(count), (byte)Number(value))),
        ["write", var offset, var count, var value] => Attempt(() => _snapshot!.Write(Number(offset), Repeated(count, value))),
        ["commit", var how, .. var destination] => Attempt(() => _snapshot!.Commit(new CommitOptions
        {
            Close = how == "close",
            Destination = destination.FirstOrDefault(),
            Force = destination.Length > 0,
            Method = how == "in-place" ? CommitMethod.InPlace : CommitMethod.Auto,
        })),
        ["close"] => Attempt(() => _snapshot!.Dispose()),
        ["save", var path, var method] => Save(path, Enum.Parse<CommitMethod>(method)),
        ["prepare", var path] => Attempt(() => Prepare(path)),
        ["complete", var method] => Complete(Enum.Parse<CommitMethod>(method)),
        ["read", var path] => StartReading(path),
        ["stop"] => StopReading(),
        ["save-on", var path, var name, var time, var killAfter, var log] => CrowdActs.Save(path, name, Milliseconds(time), Milliseconds(killAfter), log),
        ["disturb", var path, var name, var time, .. var acts] => CrowdActs.Disturb(path, name, Milliseconds(time), acts),
        ["hold", var kind, var path] => Hold(kind, path),
        ["plant", var kind, var path] => Plant(kind, path),
        ["release"] => Release(),
        _ => $"UNDOCUMENTED command {string.Join(' ', words)}",
    };

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);

    private static byte[] Repeated(string count, string value)
    {
        var bytes = new byte[Number(count)];
        Array.Fill(bytes, (byte)Number(value));
        return bytes;
    }

    private static TimeSpan Milliseconds(string text) => TimeSpan.FromMilliseconds(Number(text));

    /// <summary>"ok", or the error's id and message.</summary>
    private static string Attempt(Action action)
    {
        try
        {
            action();
            return "ok";
        }
        catch (SnapshotException exception)
        {
            return $"{exception.Error}: {exception.Message}";
        }
    }

    /// <summary>Opens a file and gives each of its bytes the next value.</summary>
    private static void Prepare(string path)
    {
        _snapshot = Snapshot.Open(path);
        _snapshot.Fill(0, _snapshot.Length, (byte)(_snapshot[0] + 1));
    }

    /// <summary>Saves and closes what <see cref="Prepare"/> opened, and tells how many milliseconds the save took.</summary>
    private static string Complete(CommitMethod method)
    {
        var clock = Stopwatch.StartNew();
        using var snapshot = _snapshot!;
        string answer = Attempt(() => snapshot.Commit(new CommitOptions { Method = method, Close = true }));
        return string.Create(CultureInfo.InvariantCulture, $"{clock.ElapsedMilliseconds} {answer}");
    }

    private static string Save(string path, CommitMethod method)
    {
        string answer = Attempt(() => Prepare(path));
        return answer == "ok" ? Complete(method) : $"0 {answer}";
    }

    /// <summary>Reads a file as every .NET program does, without pause, until told to stop.</summary>
    private static string StartReading(string path)
    {
        var stop = new CancellationTokenSource();
        _reading = (stop, Task.Run(() => ReadUntil(path, stop.Token)));
        return "ok";
    }

    private static string StopReading()
    {
        var (stop, result) = _reading!.Value;
        stop.Cancel();
        return result.Result;
    }

    /// <summary>How many reads there were, how many of them failed, how many were of a mix, and the first error.</summary>
    private static string ReadUntil(string path, CancellationToken stop)
    {
        int reads = 0, failures = 0, mixes = 0;
        string problem = "";
        while (!stop.IsCancellationRequested)
        {
            reads++;
            try
            {
                byte[] bytes = File.ReadAllBytes(path);
                if (bytes.Length != Readers.Length || bytes.AsSpan().IndexOfAnyExcept(bytes[0]) >= 0) mixes++;
            }
            catch (Exception exception)
            {
                failures++;
                problem = exception.Message;
            }
        }
        return $"{reads} {failures} {mixes} {problem}";
    }

    /// <summary>Takes a lock or lease and keeps it until "release".</summary>
    /// <returns>"ok", or the errno.</returns>
    private static string Hold(string kind, string path)
    {
        bool isExclusive = kind.EndsWith("write", StringComparison.Ordinal);
        // A lock for writing needs a descriptor to write with, a lease does not.
        var flags = (kind == "ofd-write" ? OpenFlags.O_RDWR : OpenFlags.O_RDONLY) | OpenFlags.O_NONBLOCK | OpenFlags.O_CLOEXEC;
        int descriptor = Syscall.open(path, flags);
        if (descriptor < 0) return Stdlib.GetLastError().ToString();
        var file = new SafeFileHandle(descriptor, ownsHandle: true);
        _held.Add(file);
        int errno = kind switch
        {
            "flock-shared" => LibC.Lock(file, LibC.LockShared),
            "flock-exclusive" => LibC.Lock(file, LibC.LockExclusive),
            "ofd-read" or "ofd-write" => LibC.LockOpenFile(file, isExclusive),
            "lease-read" or "lease-write" => LibC.Lease(file, isExclusive),
            _ => throw new ArgumentException(kind),
        };
        return errno == 0 ? "ok" : NativeConvert.ToErrno(errno).ToString();
    }

    /// <summary>Puts something of this user's where a save may want to put something.</summary>
    private static string Plant(string kind, string path)
    {
        int result = kind switch
        {
            "file" or "locked-file" => Syscall.close(Syscall.creat(path, FilePermissions.S_IRUSR | FilePermissions.S_IWUSR)),
            "fifo" => Syscall.mkfifo(path, FilePermissions.S_IRUSR | FilePermissions.S_IWUSR),
            "directory" => Syscall.mkdir(path, FilePermissions.S_IRWXU),
            "link-to-nothing" => Syscall.symlink("absent", path),
            "link-to-bystander" => Syscall.symlink(Planting.Bystander, path),
            _ => throw new ArgumentException(kind),
        };
        if (result != 0) return Stdlib.GetLastError().ToString();
        return kind == "locked-file" ? Hold("ofd-write", path) : "ok";
    }

    private static string Release()
    {
        foreach (var file in _held) file.Dispose();
        _held.Clear();
        return "ok";
    }
}
