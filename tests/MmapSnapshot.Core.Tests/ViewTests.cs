using System.Buffers;
using System.Runtime.CompilerServices;
using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>The bytes as memory, and that this memory is there for as long as anybody can reach it.</summary>
public sealed class ViewTests
{
    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_view_shows_the_bytes_of_its_range(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Random(20_000);
        using var snapshot = Snapshot.Open(workspace.Write("file", bytes));
        foreach (var (offset, count) in ((int, int)[])[(0, 20_000), (0, 1), (4095, 2), (4096, 4096), (1, 8191), (19_999, 1), (8193, 3)])
        {
            using var view = snapshot.GetView(offset, count);
            Assert.Equal(offset, view.Offset);
            Assert.Equal(count, view.Length);
            Assert.True(view.Span.SequenceEqual(bytes.AsSpan(offset, count)));
            Assert.True(view.Memory.Span.SequenceEqual(bytes.AsSpan(offset, count)));
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_view_shows_what_is_written_later(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        using var view = snapshot.GetView(2, 5);
        snapshot.Write(3, "abc"u8);
        Assert.True(view.Span.SequenceEqual("2abc6"u8));
        snapshot.Commit();
        snapshot.Write(3, "ABC"u8);
        Assert.True(view.Span.SequenceEqual("2ABC6"u8));
    }

    [Fact]
    public void A_view_of_nothing_has_no_bytes()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var empty = Snapshot.Open(workspace.Write("empty", ""));
        using var view = empty.GetView(0, 0);
        Assert.True(view.Span.IsEmpty);
        Assert.True(view.Memory.IsEmpty);
        Expect.Error(SnapshotError.ViewOpen, empty.Close);
    }

    [Fact]
    public void While_a_view_is_out_the_snapshot_is_not_closed()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        string path = workspace.Write("file", "0123456789");
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "x"u8);
        var first = snapshot.GetView(0, 5);
        var second = snapshot.GetView(5, 5);
        first.Dispose();
        first.Dispose(); // counts once
        var error = Expect.Error(SnapshotError.ViewOpen, snapshot.Close);
        Assert.Contains("1 view", error.Message, StringComparison.Ordinal);
        Expect.Error(SnapshotError.ViewOpen, () => snapshot.Commit(new CommitOptions { Close = true }));
        Assert.Equal("0123456789", File.ReadAllText(path));
        Assert.False(snapshot.IsClosed);
        second.Dispose();
        snapshot.Close();
        Assert.True(snapshot.IsClosed);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void After_Dispose_the_memory_goes_with_the_last_view(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Random(20_000);
        var snapshot = Snapshot.Open(workspace.Write("file", bytes));
        var first = snapshot.GetView(0, 20_000);
        var second = snapshot.GetView(5000, 100);
        snapshot.Dispose();
        Assert.True(snapshot.IsClosed);
        Assert.True(first.Span.SequenceEqual(bytes));
        Assert.Empty(Descriptors.In(workspace.Folder));
        Assert.NotEqual(0, Descriptors.Mappings(workspace.Folder));
        first.Dispose();
        Assert.True(second.Span.SequenceEqual(bytes.AsSpan(5000, 100)));
        second.Dispose();
        Assert.Equal(0, Descriptors.Mappings(workspace.Folder));
    }

    [Fact]
    public void A_disposed_view_throws_and_so_does_memory_that_was_taken_from_it()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        var view = snapshot.GetView(0, 10);
        var memory = view.Memory;
        view.Dispose();
        Assert.Throws<ObjectDisposedException>(() => view.Span.Length);
        Assert.Throws<ObjectDisposedException>(() => memory.Span.Length);
        Assert.Throws<ObjectDisposedException>(() => memory.Pin());
        view.Dispose();
    }

    [Fact]
    public void A_forgotten_view_is_finalized_and_then_the_snapshot_can_be_closed()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        Forget(snapshot);
        Memory.CollectForgotten();
        snapshot.Close();
        Assert.Equal(0, Descriptors.Mappings(workspace.Folder));

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Forget(Snapshot snapshot) => Assert.Equal(10, snapshot.GetView(0, 10).Length);
    }

    [Fact]
    public void Memory_that_is_passed_on_keeps_its_view()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        var memory = TakeMemory(snapshot);
        Memory.CollectForgotten();
        Assert.True(memory.Span.SequenceEqual("0123456789"u8));
        Expect.Error(SnapshotError.ViewOpen, snapshot.Close);
        GC.KeepAlive(memory);

        [MethodImpl(MethodImplOptions.NoInlining)]
        static ReadOnlyMemory<byte> TakeMemory(Snapshot snapshot) => snapshot.GetView(0, 10).Memory;
    }

    [Fact]
    public void Pinned_memory_stays_mapped_until_it_is_unpinned()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        MemoryHandle pinned;
        using (var view = snapshot.GetView(0, 10)) pinned = view.Memory.Pin();
        snapshot.Dispose();
        Assert.Equal(1, Descriptors.Mappings(workspace.Folder));
        pinned.Dispose();
        Assert.Equal(0, Descriptors.Mappings(workspace.Folder));
    }

    [Fact]
    public void A_view_near_the_end_of_a_huge_sparse_file_is_zeros()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.WriteSparse("file", 1L << 40));
        using var view = snapshot.GetView((1L << 40) - 5000, 5000);
        Assert.Equal(-1, view.Span.IndexOfAnyExcept((byte)0));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Snapshot_is_mapped_only_for_views_and_searches(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        foreach (var backing in (SnapshotBacking[])[SnapshotBacking.Auto, SnapshotBacking.Copy])
        {
            using var snapshot = Snapshot.Open(workspace.Write("file", Bytes.Random(100_000)), new SnapshotOptions { Backing = backing });
            _ = Bytes.In(snapshot);
            snapshot.Write(0, "text"u8);
            snapshot.Resize(200_000);
            Assert.Equal(0, Descriptors.Mappings(workspace.Folder));
            using (snapshot.GetView(0, 100)) Assert.NotEqual(0, Descriptors.Mappings(workspace.Folder));
            snapshot.Resize(300_000);
            Assert.Equal(0, Descriptors.Mappings(workspace.Folder));
            using (var view = snapshot.GetView(0, 300_000)) Assert.Equal(0, view.Span[299_999]);
        }
    }

    /// <summary>man 5 proc_pid_smaps: "dd" is MADV_DONTDUMP, "dc" MADV_DONTFORK.</summary>
    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Mapping_is_neither_dumped_nor_inherited(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = Snapshot.Open(workspace.Write("file", Bytes.Random(100_000)));
        using var view = snapshot.GetView(0, 100);
        string[] flags = [.. FlagsOfMappings(workspace.Folder)];
        Assert.NotEmpty(flags);
        Assert.All(flags, each => Assert.Contains(" dd", each, StringComparison.Ordinal));
        Assert.All(flags, each => Assert.Contains(" dc", each, StringComparison.Ordinal));
    }

    /// <summary>As where addresses are short: RLIMIT_AS, or arm64 with 39 bits.</summary>
    [Fact]
    public void File_larger_than_the_address_space_limit_is_opened_read_and_written_and_a_view_is_too_large()
    {
        Tools.Require("prlimit");
        using var workspace = Workspace.On(FileSystems.Xfs);
        string path = workspace.WriteSparse("file", 64L << 30, 0, "text"u8.ToArray());
        string answers = Shell.Run(
            "printf 'open Copy %s\\nread 0 4\\nwrite\\nread 0 4\\nview\\n' \"$1\" | DOTNET_GCHeapHardLimit=0x10000000 prlimit --as=$((32 << 30)) \"$2\" \"$3\"",
            path,
            Environment.ProcessPath!,
            SnapshotHolder.Role);
        Assert.Equal("Copy\ntext\ndone\nwext\nTooLarge", answers);
    }

    private static IEnumerable<string> FlagsOfMappings(string folder)
    {
        bool within = false;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            if (line.StartsWith("VmFlags:", StringComparison.Ordinal))
            {
                if (within) yield return line;
                within = false;
            }
            else if (line.Contains(folder, StringComparison.Ordinal))
            {
                within = true;
            }
        }
    }
}
