using System.Diagnostics;
using System.Globalization;

namespace MmapSnapshot.Tests.Support;

/// <summary>
/// Another process that holds a snapshot, and does with it what it is told: it can be stopped, sent signals, and be another
/// user's. Each answer is what was asked for, or the id of the error.
/// </summary>
internal sealed class SnapshotHolder : IDisposable
{
    /// <summary>The argument that makes this program serve as one.</summary>
    public const string Role = "hold-a-snapshot";

    private readonly Process _process;

    /// <param name="path">The file to open.</param>
    /// <param name="backing">How.</param>
    /// <param name="user">The user to be; 0 is root.</param>
    public SnapshotHolder(string path, SnapshotBacking backing, int user = 0)
        : this(path, backing, string.Create(CultureInfo.InvariantCulture, $"setpriv --reuid {user} --regid {user} --clear-groups"))
    {
    }

    /// <param name="path">The file to open.</param>
    /// <param name="backing">How.</param>
    /// <param name="launcher">The command that starts the process with the credentials it is to have.</param>
    public SnapshotHolder(string path, SnapshotBacking backing, string launcher)
    {
        Tools.Require(launcher.Split(' ')[0]);
        _process = Shell.Start($"exec {launcher} \"$1\" \"$2\"", UnprivilegedUser.Program, Role);
        Opened = Ask($"open {backing} {path}");
    }

    /// <summary>The answer to opening: the backing, or the id of the error.</summary>
    public string Opened { get; }

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public string Read(long offset, long count) => Ask($"read {offset} {count}");

    /// <param name="request">write, view, save, close, backing or descriptors.</param>
    public string Ask(string request)
    {
        _process.StandardInput.WriteLine(request);
        return _process.StandardOutput.ReadLine() ?? throw new IOException($"The holder is gone: {_process.StandardError.ReadToEnd()}");
    }

    public void Signal(string name) => Shell.Run("kill -s \"$1\" \"$2\"", name, Id.ToString(CultureInfo.InvariantCulture));

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }

    /// <summary>The other process's part.</summary>
    public static int Serve()
    {
        Snapshot? snapshot = null;
        string folder = "";
        while (Console.ReadLine() is { } request)
        {
            string[] words = request.Split(' ', 2);
            try
            {
                if (words[0] == "open")
                {
                    string[] arguments = words[1].Split(' ', 2);
                    folder = Path.GetDirectoryName(arguments[1])!;
                    snapshot = Snapshot.Open(arguments[1], new SnapshotOptions { Backing = Enum.Parse<SnapshotBacking>(arguments[0]) });
                    Console.WriteLine(snapshot.Backing);
                }
                else if (words[0] == "probe")
                {
                    var support = ReflinkSupport.Probe(words[1]);
                    Console.WriteLine($"{support.OpenCost} {support.Lease}");
                }
                else
                {
                    Console.WriteLine(Do(snapshot!, folder, words));
                }
            }
            catch (SnapshotException exception)
            {
                Console.WriteLine(exception.Error);
            }
        }
        return 0;
    }

    private static string Do(Snapshot snapshot, string folder, string[] words)
    {
        switch (words[0])
        {
            case "read":
                long[] range = [.. words[1].Split(' ').Select(number => long.Parse(number, CultureInfo.InvariantCulture))];
                return System.Text.Encoding.Latin1.GetString(snapshot.Read(range[0], range[1]));
            case "write":
                snapshot.Write(0, "w"u8);
                break;
            case "view":
                snapshot.GetView(0, 1).Dispose();
                break;
            case "save":
                return snapshot.Commit().Method.ToString();
            case "close":
                snapshot.Close();
                break;
            case "backing":
                return snapshot.Backing.ToString();
            case "descriptors":
                return Descriptors.In(folder).Length.ToString(CultureInfo.InvariantCulture);
            default:
                throw new ArgumentException(words[0], nameof(words));
        }
        return "done";
    }
}
