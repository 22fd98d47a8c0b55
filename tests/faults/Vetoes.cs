using Mono.Unix.Native;

namespace MmapSnapshot.Faults;

/// <summary>Another user holds locks and leases on the file or its directory: the save goes well, and does not wait.</summary>
internal sealed class Vetoes : IDisposable
{
    private const int FirstUser = 65533;

    private readonly ActorProcess? _holder = ActorProcess.CanBeOtherUser ? new ActorProcess(ActorProcess.UnprivilegedUser) : null;

    private readonly PromptSaver _saver = new();

    private readonly PromptSaver? _userSaver = ActorProcess.CanBeOtherUser ? new PromptSaver(FirstUser) : null;

    /// <summary>More than a prompt save is waited for.</summary>
    private const string SlowFlush = "inject=fsync,fdatasync,syncfs:delay_enter=4000000";

    internal void Try(string mount, Report report)
    {
        var line = report.Begin("locks and leases", Rig.NameOf(mount));
        string directory = Path.Join(mount, "locked");
        foreach (var method in Rig.Methods(mount))
        {
            foreach (string kind in (string[])["flock-shared", "flock-exclusive", "ofd-read"])
            {
                TryHeld(directory, "0755", kind, onDirectory: true, owner: 0, method, line);
                TryHeld(directory, "0755", kind, onDirectory: false, owner: 0, method, line);
                TryHeld(directory, "0733", kind, onDirectory: false, owner: FirstUser, method, line);
            }
            // A lease is only for the owner. To write to the file itself one has to wait for it, so an exchange is left out.
            if (method == CommitMethod.InPlace) continue;
            var whereLeased = method == CommitMethod.Exchange ? CommitMethod.Auto : method;
            TryHeld(directory, "0755", "lease-read", onDirectory: false, ActorProcess.UnprivilegedUser, whereLeased, line);
            TryHeld(directory, "0755", "lease-write", onDirectory: false, ActorProcess.UnprivilegedUser, whereLeased, line);
        }
        TrySlowSave(directory, line);
    }

    private void TryHeld(string directory, string mode, string kind, bool onDirectory, int owner, CommitMethod method, Report.Line line)
    {
        if (_holder is null) return;
        Directory.CreateDirectory(directory);
        string path = Path.Join(directory, "file"), held = onDirectory ? directory : path;
        try
        {
            File.WriteAllBytes(path, new byte[Specimen.Length]);
            _ = Syscall.chown(path, (uint)owner, (uint)owner);
            _ = Syscall.chmod(directory, NativeConvert.FromOctalPermissionString(mode));
            bool isHeld = false;
            string? loss = (owner == FirstUser ? _userSaver! : _saver).Save(path, method, () => isHeld |= _holder.Ask($"hold {kind} {held}") == "ok");
            // Who has a write lease may write: that is a conflict, as an open file is, for which only -Force is the answer.
            // (There is none beside the snapshot's own lease.)
            if (kind == "lease-write" && isHeld) loss = loss?.StartsWith("SnapshotConflict", StringComparison.Ordinal) is true ? null : loss ?? "there was no conflict";
            _ = _holder.Ask("release");
            // The holder of a write lease counts as a process that has the file open for writing; but it is not waited for.
            if (kind == "lease-write" && loss?.StartsWith("SnapshotConflict:", StringComparison.Ordinal) is true) loss = null;
            if (loss is null && Directory.EnumerateFileSystemEntries(directory).FirstOrDefault(entry => entry != path) is { } left) loss = $"{left} was left";
            line.Case(isHeld, loss is null ? null : $"{kind} on the {(onDirectory ? "directory" : "file")}, directory {mode}, {method}: {loss}");
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    /// <summary>A save that writes in place and waits for a slow disk keeps no other file of the directory from being saved.</summary>
    private void TrySlowSave(string directory, Report.Line line)
    {
        Directory.CreateDirectory(directory);
        string slow = Path.Join(directory, "slow"), path = Path.Join(directory, "file");
        try
        {
            File.WriteAllBytes(slow, new byte[Specimen.Length]);
            File.WriteAllBytes(path, new byte[Specimen.Length]);
            using var slowSaver = new ActorProcess(0, "-e", "trace=fsync,fdatasync,syncfs", "-e", SlowFlush);
            slowSaver.Send($"save {slow} {CommitMethod.InPlace}");
            // It is in its flush as soon as the bytes are there.
            for (int i = 0; i < 1000 && File.ReadAllBytes(slow)[0] == 0; i++) Thread.Sleep(1);
            string? loss = _saver.Save(path, CommitMethod.Replace);
            slowSaver.Kill();
            line.Case(injected: true, loss is null ? null : $"beside a slow save in place of another file: {loss}");
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    public void Dispose()
    {
        _holder?.Dispose();
        _saver.Dispose();
        _userSaver?.Dispose();
    }
}
