using System.Runtime.CompilerServices;
using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>The bytes as memory, and that this memory is there for as long as anybody can reach it.</summary>
public sealed class ViewTests
{
    /// <summary>More than what is read into memory.</summary>
    private const int Large = 65 << 20;

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
    public void A_view_shows_the_bytes_of_the_moment_in_which_it_was_taken(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        using var view = snapshot.GetView(2, 5);
        snapshot.Write(3, "abc"u8);
        using var later = snapshot.GetView();
        snapshot.Resize(0);
        snapshot.Commit();
        Assert.True(view.Span.SequenceEqual("23456"u8));
        Assert.True(later.Span.SequenceEqual("012abc6789"u8));
        snapshot.Close();
        Assert.True(view.Span.SequenceEqual("23456"u8));
    }

    [Fact]
    public void A_view_of_nothing_has_no_bytes()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var empty = Snapshot.Open(workspace.Write("empty", ""));
        using var view = empty.GetView(0, 0);
        Assert.True(view.Span.IsEmpty);
        Assert.True(view.Memory.IsEmpty);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_large_view_is_a_mapping_that_outlives_its_snapshot_and_a_writer(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.WriteSparse("file", Large + 5000, Large, Bytes.Of('a', 5000));
        var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "head"u8);
        Expect.Error(SnapshotError.TooLarge, () => snapshot.GetView());
        var view = snapshot.GetView(100, Large + 4900);
        snapshot.Write(Large, "later"u8);
        snapshot.Close();
        File.WriteAllText(path, "");
        Assert.Empty(Descriptors.In(workspace.Folder));
        Assert.Equal(1, Descriptors.Mappings(workspace.Folder));
        Assert.Equal(-1, view.Span[^5000..].IndexOfAnyExcept((byte)'a'));
        Assert.Equal(-1, view.Span[..^5000].IndexOfAnyExcept((byte)0));
        var pinned = view.Memory.Pin();
        var memory = view.Memory;
        view.Dispose();
        Assert.Throws<ObjectDisposedException>(() => memory.Span.Length);
        Assert.Equal(1, Descriptors.Mappings(workspace.Folder));
        pinned.Dispose();
        Assert.Equal(0, Descriptors.Mappings(workspace.Folder));
    }

    [Fact]
    public void The_span_of_a_large_view_that_was_forgotten_shows_its_bytes()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        var span = TakeSpan(workspace.WriteSparse("file", Large + 5000, Large, Bytes.Of('a', 5000)));
        Memory.CollectForgotten();
        Assert.Equal(-1, span[^5000..].IndexOfAnyExcept((byte)'a'));

        [MethodImpl(MethodImplOptions.NoInlining)]
        static ReadOnlySpan<byte> TakeSpan(string path)
        {
            using var snapshot = Snapshot.Open(path);
            return snapshot.GetView().Span;
        }
    }

    [Fact]
    public void A_disposed_view_throws()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        var view = snapshot.GetView(0, 10);
        view.Dispose();
        Assert.Throws<ObjectDisposedException>(() => view.Span.Length);
        Assert.Throws<ObjectDisposedException>(() => view.Memory);
        view.Dispose();
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
    public void Snapshot_is_mapped_only_for_large_views_and_searches(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        foreach (var backing in (SnapshotBacking[])[SnapshotBacking.Auto, SnapshotBacking.Copy])
        {
            using var snapshot = Snapshot.Open(workspace.Write("file", Bytes.Random(100_000)), new SnapshotOptions { Backing = backing });
            _ = Bytes.In(snapshot);
            snapshot.Write(0, "text"u8);
            snapshot.Resize(200_000);
            Assert.Equal(0, Descriptors.Mappings(workspace.Folder));
            using (snapshot.GetView(0, 100)) Assert.Equal(0, Descriptors.Mappings(workspace.Folder));
            Assert.Empty(snapshot.Find([BytePattern.FromBytes(Bytes.Random(20, seed: 9))], 1000, 50_000));
            Assert.Equal(snapshot.Backing == SnapshotBacking.Lease ? 0 : 1, Descriptors.Mappings(workspace.Folder));
        }
    }

    /// <summary>man 5 proc_pid_smaps: "dd" is MADV_DONTDUMP, "dc" MADV_DONTFORK.</summary>
    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Mapping_is_neither_dumped_nor_inherited(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = Snapshot.Open(workspace.WriteSparse("file", Large));
        using var view = snapshot.GetView();
        string[] flags = [.. FlagsOfMappings(workspace.Folder)];
        Assert.NotEmpty(flags);
        Assert.All(flags, each => Assert.Contains(" dd", each, StringComparison.Ordinal));
        Assert.All(flags, each => Assert.Contains(" dc", each, StringComparison.Ordinal));
    }

    /// <summary>As where addresses are short: RLIMIT_AS, or arm64 with 39 bits.</summary>
    [Fact]
    public void File_larger_than_the_address_space_limit_is_opened_read_written_and_viewed()
    {
        Tools.Require("prlimit");
        using var workspace = Workspace.On(FileSystems.Xfs);
        string path = workspace.WriteSparse("file", 64L << 30, 0, "text"u8.ToArray());
        string answers = Shell.Run(
            "printf 'open Copy %s\\nread 0 4\\nwrite\\nread 0 4\\nview\\n' \"$1\" | DOTNET_GCHeapHardLimit=0x10000000 prlimit --as=$((32 << 30)) \"$2\" \"$3\"",
            path,
            Environment.ProcessPath!,
            SnapshotHolder.Role);
        Assert.Equal("Copy\ntext\ndone\nwext\ndone", answers);
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
