using System.Text;
using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>Commits that exchange contents, on XFS with exchange-range.</summary>
public sealed class ExchangeCommitTests : IDisposable
{
    private readonly Workspace _workspace = Workspace.On(FileSystems.XfsExchange);

    public void Dispose() => _workspace.Dispose();

    [Fact]
    public void It_is_the_default_and_keeps_inode_links_and_open_descriptors()
    {
        string path = _workspace.Write("file", "Hello world!");
        string other = _workspace.PathOf("other");
        Shell.Run("ln \"$1\" \"$2\"", path, other);
        string inode = Shell.Run("stat -c %i \"$1\"", path);
        using var reader = File.OpenRead(path);

        using var snapshot = Snapshot.Open(path);
        snapshot.Write(6, "sekai"u8);
        var result = snapshot.Commit();

        Assert.Equal(CommitMethod.Exchange, result.Method);
        Assert.Equal(inode, Shell.Run("stat -c %i \"$1\"", path));
        Assert.Equal("Hello sekai!", File.ReadAllText(other));
        Assert.Equal("Hello sekai!", new StreamReader(reader).ReadToEnd());
        Assert.Equal(["file", "other"], _workspace.Names());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(4096)]
    [InlineData(5000)]
    [InlineData(8192)]
    [InlineData(100_000)]
    [InlineData(200_001)]
    public void The_file_has_the_snapshots_length_and_bytes(int length)
    {
        string path = _workspace.Write("file", Enumerable.Repeat((byte)'A', 100_000).ToArray());
        using var snapshot = Snapshot.Open(path);
        snapshot.Resize(length);
        if (length > 0) snapshot.Write(length - 1, "Z"u8);

        Assert.Equal(CommitMethod.Exchange, snapshot.Commit().Method);
        Assert.Equal(snapshot.Read(0, length), File.ReadAllBytes(path));
    }

    [Fact]
    public void A_snapshot_that_stays_open_keeps_its_bytes_and_commits_again()
    {
        string path = _workspace.Write("file", "one");
        using var snapshot = Snapshot.Open(path);
        using var view = snapshot.GetView(0, 3);
        foreach (string text in (string[])["two", "six", "ten"])
        {
            snapshot.Write(0, Encoding.ASCII.GetBytes(text));
            Assert.Equal(CommitMethod.Exchange, snapshot.Commit().Method);
            Assert.Equal(text, File.ReadAllText(path));
            Assert.Equal(text, Encoding.ASCII.GetString(Bytes.In(snapshot)));
            Assert.Equal("one", Encoding.ASCII.GetString(view.Span));
        }
        snapshot.Write(0, "not"u8);
        Assert.Equal("ten", File.ReadAllText(path));
    }

    [Fact]
    public void A_file_written_since_is_a_conflict_and_stays_as_it_is()
    {
        string path = _workspace.Write("file", "mine");
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "M"u8);
        Shell.Run("printf yours >\"$1\"", path);

        Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit());
        Assert.Equal("yours", File.ReadAllText(path));

        var result = snapshot.Commit(new CommitOptions { Force = true });
        Assert.Equal(CommitMethod.Exchange, result.Method);
        Assert.NotNull(result.Override);
        Assert.Equal("Mine", File.ReadAllText(path));
    }

    [Fact]
    public void A_file_written_between_our_commits_is_a_conflict()
    {
        string path = _workspace.Write("file", "mine");
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "M"u8);
        snapshot.Commit();
        snapshot.Write(1, "I"u8);
        Shell.Run("printf y | dd of=\"$1\" conv=notrunc status=none", path);

        Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit());
        Assert.Equal("yine", File.ReadAllText(path));
    }

    [Fact]
    public void A_running_program_is_replaced()
    {
        string path = _workspace.PathOf("sleep");
        File.Copy("/usr/bin/sleep", path);
        using var running = Shell.Start("exec \"$1\" 60", path);
        SpinWait.SpinUntil(() => File.ReadAllText($"/proc/{running.Id}/comm").StartsWith("sleep", StringComparison.Ordinal), TimeSpan.FromSeconds(10));
        try
        {
            using var snapshot = Snapshot.Open(path);
            snapshot.Write(8, "x"u8);
            Expect.Error(SnapshotError.NotSupported, () => snapshot.Commit(new CommitOptions { Method = CommitMethod.Exchange }));
            Assert.Equal(CommitMethod.Replace, snapshot.Commit().Method);
            Assert.False(running.HasExited);
        }
        finally
        {
            running.Kill();
            running.WaitForExit();
        }
    }

    [Fact]
    public void A_file_with_capabilities_is_replaced_so_that_it_never_lacks_them()
    {
        string path = _workspace.PathOf("sleep");
        File.Copy("/usr/bin/sleep", path);
        Shell.Run("setcap cap_net_raw+ep \"$1\"", path);
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(8, "x"u8);

        Assert.Equal(CommitMethod.Replace, snapshot.Commit().Method);
        Assert.EndsWith("cap_net_raw=ep", Shell.Run("getcap \"$1\"", path), StringComparison.Ordinal);
    }

    [Fact]
    public void Setuid_and_owner_stay()
    {
        string path = _workspace.Write("file", "Hello world!");
        Shell.Run("chown 1000:1000 \"$1\"; chmod 6755 \"$1\"", path);
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "J"u8);

        Assert.Equal(CommitMethod.Exchange, snapshot.Commit().Method);
        Assert.Equal("6755 1000 1000", Shell.Run("stat -c '%a %u %g' \"$1\"", path));
    }

    /// <summary>What takes the capability from the process. (The kernel asks for that of the first user namespace.)</summary>
    public static TheoryData<string> WithoutFSetId => new("setpriv --bounding-set -fsetid --inh-caps -fsetid", UserNamespace.Container);

    /// <summary>man 7 capabilities, CAP_FSETID: without it root loses setuid and setgid by an exchange, as by a write.</summary>
    [Theory]
    [MemberData(nameof(WithoutFSetId))]
    public void Setuid_and_setgid_stay_when_root_has_no_CAP_FSETID(string launcher)
    {
        Tools.RequireRoot();
        string path = _workspace.Write("file", "Hello world!");
        Shell.Run("chmod 6755 \"$1\"", path);
        using (var holder = new SnapshotHolder(path, SnapshotBacking.Auto, launcher))
        {
            holder.Ask("write");
            Assert.Contains(holder.Ask("save"), (string[])[nameof(CommitMethod.Exchange), nameof(CommitMethod.Replace)]);
        }
        Assert.Equal("wello world!", File.ReadAllText(path));
        Assert.Equal("6755 0 0", Shell.Run("stat -c '%a %u %g' \"$1\"", path));
    }

    [Fact]
    public void Write_protected_file_is_replaced_by_its_owner_with_Force()
    {
        string path = _workspace.Write("file", "Hello world!");
        Shell.Run("chown 65534:65534 \"$1\"; chmod 0444 \"$1\"", path);
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = Snapshot.Open(path);
            snapshot.Write(0, "J"u8);
            Assert.Equal(CommitMethod.Replace, snapshot.Commit(new CommitOptions { Force = true }).Method);
        });
        Assert.Equal("444 65534 Jello world!", Shell.Run("stat -c '%a %u' \"$1\" | tr '\\n' ' '; cat \"$1\"", path));
    }

    [Fact]
    public void Another_user_exchanges_its_own_file()
    {
        string path = _workspace.Write("file", "Hello world!");
        Shell.Run("chown 65534:65534 \"$1\"", path);
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = Snapshot.Open(path);
            snapshot.Write(0, "J"u8);
            Assert.Equal(CommitMethod.Exchange, snapshot.Commit(new CommitOptions { Close = true }).Method);
        });
        Assert.Equal("Jello world!", File.ReadAllText(path));
    }

    [Theory]
    [InlineData(FileSystems.XfsExchange, true)]
    [InlineData(FileSystems.Xfs, false)]
    [InlineData(FileSystems.Btrfs, false)]
    [InlineData(FileSystems.Ext4, false)]
    public void The_probe_tells_where_it_can_be_had(string fileSystem, bool expected) =>
        Assert.Equal(expected, ReflinkSupport.Probe(FileSystems.Require(fileSystem)).ExchangeRange);

    [Fact]
    public void Without_the_feature_the_method_is_not_supported_and_says_why()
    {
        using var plain = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(plain.Write("file", "Hello"));
        snapshot.Write(0, "J"u8);
        var refused = Expect.Error(SnapshotError.NotSupported, () => snapshot.Commit(new CommitOptions { Method = CommitMethod.Exchange }));
        Assert.Contains("does not exchange the contents of files", refused.Message, StringComparison.Ordinal);
        Assert.Equal("Hello", File.ReadAllText(plain.PathOf("file")));
    }
}
